"""Which finished runs are of one setting: they differ in their seed and fold alone.

for group in group_by_setting(runs):
    answers = answers_by_seed(group, read_predictions)      # the folds of a seed put together
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from wbc_jax.data.protocols import PROTOCOLS
from wbc_jax.errors import UserError
from wbc_jax.nested import flatten
from wbc_jax.reporting.run_files import Run

# Two runs that differ in these alone are of one setting: what is drawn, and what changes no result.
_NO_SETTING = ("seed", "data.fold", "train.steps_per_call", "eval.batch_size", "eval.train_at_rest")
_NO_SETTINGS = ("mesh.", "checkpoint.")  # nor what begins so
# Not part of a recipe: one recipe is followed under several protocols, and these go with them.
_OF_PROTOCOL = ("data.protocol", "data.validation_share")

Folds = Mapping[int, Mapping[int, Run]]  # of one setting: by seed, by fold
A = TypeVar("A", bound=tuple[Any, ...])


def group_by_setting(runs: Sequence[Run]) -> list[list[Run]]:
    """Returns the runs of each setting."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_key(fields_of(run)), []).append(run)
    return [groups[key] for key in sorted(groups)]


def fields_of(run: Run) -> dict[str, Any]:
    """Returns the fields of a run's config that make its setting, by their dotted names."""
    return {
        name: value
        for name, value in flatten(run.config).items()
        if name not in _NO_SETTING and not name.startswith(_NO_SETTINGS)
    }


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the fields that are not the same in all settings, in the order of the first."""
    names = dict.fromkeys(name for own in settings for name in own)
    return [name for name in names if len({json.dumps(own.get(name)) for own in settings}) > 1]


def recipes(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a letter per setting: the same for one network's settings that differ in protocol.

    Letters follow the order of the settings; a network with a single recipe has none.
    """
    leave_out: Sequence[str] = _OF_PROTOCOL
    if len({_recipe_key(own, leave_out) + own["data.protocol"] for own in settings}) < len(
        settings
    ):
        leave_out = _OF_PROTOCOL[:1]
    keys: dict[str, list[str]] = {}
    for own in settings:
        known = keys.setdefault(own["model.name"], [])
        if (key := _recipe_key(own, leave_out)) not in known:
            known.append(key)
    return [
        _letters(known.index(_recipe_key(own, leave_out))) if len(known) > 1 else ""
        for own in settings
        for known in [keys[own["model.name"]]]
    ]


def _letters(place: int) -> str:
    """Returns A, B, ... Z, AA, AB, ..., as the columns of a spreadsheet are counted."""
    before, letter = divmod(place, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + letter)


def _recipe_key(settings: Mapping[str, Any], leave_out: Sequence[str]) -> str:
    return _key({name: value for name, value in settings.items() if name not in leave_out})


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def folds_by_seed(runs: Sequence[Run]) -> dict[int, dict[int, Run]]:
    """Returns the runs of one setting by seed and fold.

    Raises:
        UserError: two have the same seed and fold.
    """
    found: dict[int, dict[int, Run]] = {}
    for run in sorted(runs, key=lambda run: run.results["seed"]):
        fold = run.config.get("data", {}).get("fold", 0)
        of_seed = found.setdefault(run.results["seed"], {})
        if fold in of_seed:
            raise UserError(
                f"{of_seed[fold].path} and {run.path} are the same run twice (one setting, seed "
                f"{run.results['seed']}, fold {fold}); leave one out of --runs"
            )
        of_seed[fold] = run
    return found


def answers_by_seed(runs: Sequence[Run], read_answers: Callable[[Run], A]) -> dict[int, A]:
    """Returns the answers of one setting's runs, the folds of a seed put together.

    Args:
        runs: of the setting.
        read_answers: of a run, as arrays with a row for each image, the first their names.

    Raises:
        UserError: the runs do not go together, or their answers cannot be read.
    """
    require_same_data(runs)  # first: else what follows from it would be said
    found = {}
    for seed, folds in folds_by_seed(runs).items():
        parts = [read_answers(folds[fold]) for fold in sorted(folds)]
        found[seed] = type(parts[0])(*map(np.concatenate, zip(*parts, strict=True)))
        filenames = found[seed][0]
        if len(np.unique(filenames)) < len(filenames):
            paths = ", ".join(str(run.path) for run in folds.values())
            raise UserError(
                f"{paths} are folds of one seed but test some images twice; folds of one division "
                "share no image: run them again with the same version of the code and the data"
            )
    return found


def setting_facts(runs: Sequence[Run]) -> dict[str, Any]:
    """Returns what is known of the runs of one setting without their answers, whatever their task.

    Raises:
        UserError: they saw different images, or two are the same run.
    """
    require_same_data(runs)
    first, folds = runs[0], folds_by_seed(runs)
    return {
        "model": first.results["model"],
        "dataset": first.results["dataset"],
        "protocol": first.results["protocol"],
        "is_leaky": first.is_leaky,
        "is_synthetic": first.is_synthetic,
        "classes": first.results["classes"],
        "warnings": list(dict.fromkeys(text for run in runs for text in run.results["warnings"])),
        "runs": [str(run.path) for run in runs],
        "seeds": list(folds),
        "folds": sorted({fold for own in folds.values() for fold in own}),
    }


def require_same_data(runs: Sequence[Run]) -> None:
    """Raises UserError where runs saw different images."""
    first = runs[0]
    for run in runs[1:]:
        if run.dataset["splits"] != first.dataset["splits"]:
            raise UserError(
                f"{first.path} and {run.path} go together but saw different images (the "
                "digests of their splits differ); take runs of the same images, or run one again"
            )


def missing_folds(folds: Folds, counted: str) -> list[str]:
    """Returns which seeds were not tested in every fold of their protocol, in sentences.

    Args:
        folds: of one setting.
        counted: what is tested once over all folds, in the singular: "smear" or "scene".
    """
    first = next(iter(next(iter(folds.values())).values()))
    name = first.results["protocol"]
    num_folds = PROTOCOLS[name].num_folds if name in PROTOCOLS else 1
    lacking: dict[str, list[str]] = {}  # the seeds that lack the same folds
    for seed, own in folds.items():
        missing = [str(fold) for fold in range(num_folds) if fold not in own]
        lacking.setdefault(", ".join(missing), []).append(str(seed))
    return [
        f"Seed {', '.join(seeds)} without fold {missing} of {num_folds}: not every {counted} is "
        "tested."
        for missing, seeds in lacking.items()
        if missing
    ]
