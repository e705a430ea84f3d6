"""A sweep as a list of trials: one config, one seed, one directory each.

for trial in make_trials(sweep, Path("runs/sweeps/layers_cnn")):
    trial.workdir, trial.config, trial.is_finished()
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from wbc_jax import run_names
from wbc_jax.errors import UserError
from wbc_jax.nested import flatten
from wbc_jax.sweeps.definition import Setting, Sweep, load_config
from wbc_jax.training.prepare_data import task_name
from wbc_jax.training.run_directory import RunDirectory

_DECIDE_THE_TEST = ("task", "data.protocol", "data.num_classes", "data.fold")
_LONGEST = 150  # bytes of a folder's name; file systems end at 255, and jobs add to it


@dataclass(frozen=True)
class Trial:
    """One run of a sweep.

    Attributes:
        setting: of the sweep.
        seed: of the run.
        config: the setting's, with the seed.
        workdir: of the run; `folder` of the setting and the seed.
        folder: what the directories of the setting's runs begin with.
    """

    setting: Setting
    seed: int
    config: ConfigDict
    workdir: Path
    folder: Path

    def is_finished(self) -> bool:
        """Whether the run has left its results."""
        return (self.workdir / run_names.RESULTS).is_file()

    def require_usable(self) -> None:
        """Checks that the directory is new or of this very run.

        Raises:
            UserError: it is of another config, or of something else.
        """
        RunDirectory(self.workdir).require_usable(self.config.to_dict())

    def overrides(self) -> list[str]:
        """Returns the flags that make the setting of its config file, the seed left out."""
        changes = self.setting.changes.items()
        return [
            f"--config={self.setting.config}",
            *(f"--config.{name}={value}" for name, value in changes),
        ]


def make_trials(sweep: Sweep, output: Path) -> list[Trial]:
    """Returns every run of a sweep, setting by setting.

    Args:
        sweep: what to run.
        output: the sweep's directory.

    Raises:
        UserError: a config cannot be read, a field is not known or does not take its value, two
            settings would share a directory, or one would be tested on other images than the
            reference.
    """
    trials, owners = [], dict[str, str]()
    for setting in sweep.settings:
        config = changed_config(setting)
        name = _folder_name(setting.title)
        key = name.casefold()  # some file systems take upper for lower case
        if key in owners:
            raise UserError(
                f"the settings {owners[key]!r} and {setting.title!r} would share the directory "
                f"{name}; give one of them another name"
            )
        owners[key] = setting.title
        for seed in sweep.seeds:
            own = config.copy_and_resolve_references()
            own.seed = seed
            folder = output / name
            trials.append(Trial(setting, seed, own, Path(f"{folder}-seed{seed}"), folder))
    _require_one_test(sweep, {trial.setting.title: trial.config for trial in trials})
    return trials


def _require_one_test(sweep: Sweep, configs: Mapping[str, ConfigDict]) -> None:
    """Raises UserError for a setting that is not tested on the images of the reference.

    All settings stand in one table, by rank.
    """
    fields = {
        title: flatten(config.to_dict()) | {"task": task_name(config)}
        for title, config in configs.items()
    }
    theirs = fields[sweep.reference]
    for title, ours in fields.items():
        for name in _DECIDE_THE_TEST:
            if ours.get(name) != theirs.get(name):
                raise UserError(
                    f"setting {title!r} has {name}={ours.get(name)!r} and the reference "
                    f"{sweep.reference!r} {theirs.get(name)!r}: they would be tested on different "
                    "images, and figures of different tests cannot be ranked; make a sweep of each"
                )


def changed_config(setting: Setting) -> ConfigDict:
    """Returns the setting's config.

    Raises:
        UserError: the file cannot be read, or a field is not known or does not take its value.
    """
    config = load_config(setting.config)
    if "seed" in setting.changes:
        raise UserError(f"setting {setting.title!r} changes the seed; name seeds in Sweep.seeds")
    for name, value in setting.changes.items():
        _change(config, name, value, setting)
    return config


def _change(config: ConfigDict, name: str, value: Any, setting: Setting) -> None:
    *rooms, leaf = name.split(".")
    place = config
    try:
        for room in rooms:
            place = place[room]
            if not isinstance(place, ConfigDict):
                raise KeyError(room)
        before = place[leaf]
        if isinstance(before, ConfigDict):
            raise KeyError(leaf)
        place[leaf] = value
    except (AttributeError, KeyError) as error:
        raise UserError(
            f"setting {setting.title!r}: {setting.config} has no field {name!r}; all are listed in "
            "configs/base.py and the network's own file"
        ) from error
    except TypeError as error:
        raise UserError(
            f"setting {setting.title!r}: {name}={value!r} is not of the kind of {before!r}"
        ) from error


def _folder_name(title: str) -> str:
    name = re.sub(r"[^\w.]+", "-", title).strip("-.")
    if not name:
        raise UserError(f"the setting {title!r} has no letter or digit to name a folder by")
    if len(os.fsencode(name)) > _LONGEST:
        raise UserError(f"the setting {title!r} is too long for a folder's name; give it a name")
    return name
