"""Many finished runs as one table: seeds and folds of one setting together, settings side by side.

pool([Path("runs/cnn-official-seed0"), Path("runs/cnn-official-seed1")], Path("runs/pooled"))
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wbc_jax.data.protocols import PROTOCOLS
from wbc_jax.errors import UserError
from wbc_jax.evaluation.hard_smears import always_wrong
from wbc_jax.evaluation.intervals import cautions
from wbc_jax.evaluation.pooled_figures import INTERVALS, pooled_figures
from wbc_jax.evaluation.seed_resamples import over_seeds
from wbc_jax.nested import flatten
from wbc_jax.reporting.epochs import TRAIN_PARTS, train_test_gap
from wbc_jax.reporting.output_folder import make_output_folder
from wbc_jax.reporting.pooled_page import write_pooled
from wbc_jax.reporting.run_files import Predictions, Run, read_predictions, read_runs

# Two runs that differ in these alone are of one setting: what is drawn, and what changes no result.
_NO_SETTING = ("seed", "data.fold", "train.steps_per_call", "eval.batch_size", "eval.train_at_rest")
_NO_SETTINGS = ("mesh.", "checkpoint.")  # nor what begins so
# Not part of a recipe: one recipe is followed under several protocols, and these go with them.
_OF_PROTOCOL = ("data.protocol", "data.validation_share")
# From the paper's to the strictest; what is not named here follows.
_PROTOCOL_ORDER = ("paper", "paper_grouped", "official", "crossval")
_MODEL_ORDER = ("cnn", "alexnet", "resnet50", "vgg19")


def pool(runs: Sequence[Path], output: Path) -> Path:
    """Writes pooled.json, pooled.md, pooled.html and figures/gap.svg|png into `output`.

    Args:
        runs: directories of finished runs, of any networks, protocols, seeds and folds.
        output: a directory; it is made where it is missing.

    Returns:
        The path of pooled.html.

    Raises:
        UserError: no run is given, one is given twice, one cannot be read, runs of one setting
            do not go together, or `output` cannot be written.
    """
    groups = _groups(read_runs(runs))
    settings = [_settings(group[0]) for group in groups]
    differing = _differing(settings)
    pooled = [
        pool_setting(group, answers_by_seed(group))
        | {"recipe": recipe, "settings": {name: own.get(name) for name in differing}}
        for group, recipe, own in zip(groups, _recipes(settings), settings, strict=True)
    ]
    # Recipe by recipe, so that one network's protocols stand together.
    pooled.sort(key=lambda group: (_rank(group["model"], _MODEL_ORDER), group["recipe"]))
    protocols = sorted(
        {group["protocol"] for group in pooled}, key=lambda name: _rank(name, _PROTOCOL_ORDER)
    )
    make_output_folder(output)
    return write_pooled({"intervals": INTERVALS, "protocols": protocols, "groups": pooled}, output)


def _groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Returns the runs of each setting, by network and then by protocol, from the paper's on."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_key(_settings(run)), []).append(run)

    def place(group: list[Run]) -> tuple[Any, ...]:
        results = group[0].results
        order = _rank(results["model"], _MODEL_ORDER), _rank(results["protocol"], _PROTOCOL_ORDER)
        return (*order, _key(_settings(group[0])))

    return sorted(groups.values(), key=place)


def _settings(run: Run) -> dict[str, Any]:
    return {
        name: value
        for name, value in flatten(run.config).items()
        if name not in _NO_SETTING and not name.startswith(_NO_SETTINGS)
    }


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the fields that are not the same in all settings, in the order of the first."""
    names = dict.fromkeys(name for own in settings for name in own)
    return [name for name in names if len({json.dumps(own.get(name)) for own in settings}) > 1]


def _recipes(settings: Sequence[Mapping[str, Any]]) -> list[str]:
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


def answers_by_seed(runs: Sequence[Run]) -> dict[int, Predictions]:
    """Returns the answers of one setting's runs, the folds of a seed put together.

    Raises:
        UserError: the runs do not go together, or their predictions cannot be read.
    """
    return {seed: _answers(own) for seed, own in _folds_by_seed(runs).items()}


def pool_setting(runs: Sequence[Run], answers: Mapping[int, Predictions]) -> dict[str, Any]:
    """Returns the figures of one setting, as they stand in pooled.json.

    Args:
        runs: of the setting, at least one; they differ in seed and fold only.
        answers: theirs, by seed.

    Raises:
        UserError: the runs do not go together.
    """
    first, folds = runs[0], _folds_by_seed(runs)
    classes = first.results["classes"]
    figures = pooled_figures(answers, num_classes=len(classes))
    per_class = dict(zip(classes, figures.smears_per_class.tolist(), strict=True))
    return setting_facts(runs) | {
        "seeds": list(folds),
        "folds": sorted({fold for own in folds.values() for fold in own}),
        "num_images": [len(own.labels) for own in answers.values()],
        "num_smears": int(figures.smears_per_class.sum()),
        "num_smears_per_class": per_class,
        **figures.levels,
        "train_test_gap": {part: _gap(folds, part) for part in TRAIN_PARTS},
        "always_wrong": [smear._asdict() for smear in always_wrong(answers)],
        "notes": _missing_folds(first, folds)
        + cautions(
            per_class,
            num_wrong=figures.num_wrong,
            num_seeds=len(folds),
            share_left_out=figures.share_left_out,
        ),
    }


def setting_facts(runs: Sequence[Run]) -> dict[str, Any]:
    """Returns what is known of the runs of one setting without their answers, whatever their task.

    Raises:
        UserError: they saw different images.
    """
    require_same_data(runs)
    first = runs[0]
    return {
        "model": first.results["model"],
        "dataset": first.results["dataset"],
        "protocol": first.results["protocol"],
        "is_leaky": first.is_leaky,
        "is_synthetic": first.is_synthetic,
        "classes": first.results["classes"],
        "warnings": list(dict.fromkeys(text for run in runs for text in run.results["warnings"])),
        "runs": [str(run.path) for run in runs],
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


def _folds_by_seed(runs: Sequence[Run]) -> dict[int, dict[int, Run]]:
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


def _answers(folds: Mapping[int, Run]) -> Predictions:
    parts = [read_predictions(folds[fold]) for fold in sorted(folds)]
    answers = Predictions(*map(np.concatenate, zip(*parts, strict=True)))
    if len(np.unique(answers.filenames)) < len(answers.filenames):
        paths = ", ".join(str(run.path) for run in folds.values())
        raise UserError(
            f"{paths} are folds of one seed but test some images twice; folds of one division "
            "share no image: run them again with the same version of the code and the data"
        )
    return answers


def _gap(folds: Mapping[int, Mapping[int, Run]], part: str) -> dict[str, Any] | None:
    """Returns the gap between the curves over the seeds; None where a run did not measure it."""
    gaps = {
        seed: [train_test_gap(run.results["epochs"], part) for run in own.values()]
        for seed, own in folds.items()
    }
    known = {seed: [gap for gap in own if gap is not None] for seed, own in gaps.items()}
    if any(len(known[seed]) < len(gaps[seed]) for seed in gaps):
        return None
    return over_seeds({seed: float(np.mean(own)) for seed, own in known.items()})


def _missing_folds(run: Run, folds: Mapping[int, Mapping[int, Run]]) -> list[str]:
    name = run.results["protocol"]
    num_folds = PROTOCOLS[name].num_folds if name in PROTOCOLS else 1
    texts = []
    for seed, own in folds.items():
        if missing := [str(fold) for fold in range(num_folds) if fold not in own]:
            texts.append(
                f"Seed {seed} lacks fold {', '.join(missing)} of {num_folds}: not every smear is "
                "tested."
            )
    return texts


def _rank(name: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)
