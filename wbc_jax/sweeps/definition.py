"""What a file in `configs/sweeps/` says: settings, each a config with changes, and seeds.

def get_sweep(preset: str = "synthetic") -> Sweep:
    cnn = f"configs/cnn.py:{preset}"
    return Sweep(
        question="Does a second normalization help?",
        settings=tuple(Setting(cnn, changes) for changes in grid({"model.num_norms": (1, 2)})),
        reference="cnn, num_norms=1",
    )
"""

import importlib.util
import itertools
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from wbc_jax.errors import UserError


@dataclass(frozen=True)
class Setting:
    """One line of the table: a config with some fields changed, whatever the seed.

    Attributes:
        config: FILE or FILE:PRESET, as `--config` takes it.
        changes: values by dotted field, as `--config.FIELD=VALUE` takes them.
        name: for readers and folders; empty: made of the file's name and the changes.
        against: title of the setting that this one is compared with; empty: the sweep's reference.
    """

    config: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    against: str = ""

    @property
    def title(self) -> str:
        """Its name."""
        stem = Path(self.config.partition(":")[0]).stem
        parts = (f"{name.rpartition('.')[2]}={short(v)}" for name, v in self.changes.items())
        return self.name or ", ".join([stem, *parts])


@dataclass(frozen=True)
class Sweep:
    """A question and the runs that answer it: every setting with every seed.

    Attributes:
        question: in one sentence.
        settings: at least one; their titles differ.
        seeds: the same for every setting, so that settings are compared seed by seed.
        reference: the title of the setting that others are compared with.
    """

    question: str
    settings: tuple[Setting, ...]
    reference: str
    seeds: tuple[int, ...] = (0, 1, 2)


def grid(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Returns every combination of the values of some fields, the last field changing fastest."""
    return [
        dict(zip(values, combination, strict=True))
        for combination in itertools.product(*values.values())
    ]


def load_sweep(text: str) -> Sweep:
    """Returns the sweep that FILE or FILE:PRESET defines.

    Raises:
        UserError: the file cannot be read, does not know the preset, or defines no sweep that can
            be run.
    """
    sweep = _call("get_sweep", text, "--sweep=")
    if not isinstance(sweep, Sweep):
        raise UserError(f"--sweep={text}: get_sweep must return a Sweep, not {sweep!r:.60}")
    if not _is_tuple_of(sweep.settings, Setting):
        raise UserError(f"--sweep={text}: its settings must be a tuple of Setting")
    if not _is_tuple_of(sweep.seeds, int) or any(seed < 0 for seed in sweep.seeds):
        raise UserError(
            f"--sweep={text}: seeds={sweep.seeds!r:.60} must be a tuple of whole numbers from 0 "
            "on, such as (0, 1, 2)"
        )
    if not sweep.settings or not sweep.seeds:
        raise UserError(f"--sweep={text} has no runs; it needs a setting and a seed at least")
    for setting in sweep.settings:
        _require_types(setting, text)
    titles = [setting.title for setting in sweep.settings]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        raise UserError(f"--sweep={text} has the setting {twice[0]!r} twice; leave one out")
    if len(set(sweep.seeds)) < len(sweep.seeds):
        raise UserError(f"--sweep={text}: seeds={sweep.seeds} has a seed twice; leave one out")
    for reference in (sweep.reference, *(s.against for s in sweep.settings if s.against)):
        if reference not in titles:
            raise UserError(
                f"--sweep={text}: the reference {reference!r} is none of its settings; name one of "
                f"{'; '.join(titles)}"
            )
    return sweep


def _require_types(setting: Setting, text: str) -> None:
    kinds = {"config": str, "changes": Mapping, "name": str, "against": str}
    for name, kind in kinds.items():
        value = getattr(setting, name)
        if not isinstance(value, kind):
            raise UserError(
                f"--sweep={text}: a Setting's {name}={value!r:.60} must be of the type "
                f"{kind.__name__}"
            )


def load_config(text: str) -> ConfigDict:
    """Returns the config that FILE or FILE:PRESET defines.

    Raises:
        UserError: the file cannot be read or does not know the preset.
    """
    config = _call("get_config", text, "config=")
    if not isinstance(config, ConfigDict):
        raise UserError(f"config={text}: get_config must return a ConfigDict, not {config!r:.60}")
    return config


def _call(name: str, text: str, what: str) -> Any:
    """Runs the Python file that FILE or FILE:PRESET names, and returns what its function does."""
    path, _, preset = text.partition(":")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if not Path(path).is_file() or spec is None or spec.loader is None:
        raise UserError(f"{what}{path} cannot be read; name a Python file, as in configs/")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        function = getattr(module, name, None)
        if function is None:
            raise UserError(f"{what}{text} defines no {name}(preset)")
        return function(preset) if preset else function()
    except ValueError as error:  # by convention what is said of a preset that is not known
        raise UserError(f"{what}{text}: {error}") from error
    except UserError:
        raise
    except Exception as error:  # a file is code: it can raise anything
        raise UserError(f"{what}{text} cannot be run: {_in_words(error, path)}") from error


def _in_words(error: Exception, path: str) -> str:
    """Returns what a file has raised, and in which of its lines; a SyntaxError says that itself."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [one.lineno for one in frames if Path(one.filename).resolve() == Path(path).resolve()]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"


def _is_tuple_of(values: Any, kind: type) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, kind) for value in values)


def short(value: Any) -> str:
    """Returns a field's value as it stands in a name or a table."""
    return "-".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
