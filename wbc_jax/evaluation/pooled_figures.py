"""Figures of a classifier's setting over its seeds, and how much they depend on the smears.

figures = pooled_figures({0: answers_of_seed_0, 1: answers_of_seed_1}, num_classes=4)
figures.levels["image"]["categorical_accuracy"]    # {"mean": ..., "sd": ..., "interval": ...}
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from wbc_jax.evaluation.hard_smears import always_wrong
from wbc_jax.evaluation.intervals import METHOD, cautions
from wbc_jax.evaluation.run_groups import Folds, folds_by_seed, missing_folds, setting_facts
from wbc_jax.evaluation.seed_resamples import (
    Levels,
    Resamples,
    Units,
    intervals_by,
    over_seeds,
    resample_units,
)
from wbc_jax.evaluation.smears import Smears, group_by_smear, mean_over_copies
from wbc_jax.evaluation.weighted import SmearPart, confusion_figures, weighted_confusion
from wbc_jax.reporting.epochs import TRAIN_PARTS, train_test_gap
from wbc_jax.reporting.measures import POOLED
from wbc_jax.reporting.run_files import Predictions, Run

INTERVALS = intervals_by(METHOD)  # how those of this module are made


class PooledFigures(NamedTuple):
    """Figures of one setting.

    Attributes:
        levels: for "image" and "smear" each of `POOLED`: `mean` and `sd` over the seeds (None for
            a single seed), `per_seed`, and the `interval` of the mean.
        num_smears: how many different ones any seed was tested on, whatever their classes.
        smears_per_class: the same by label.
        num_wrong: smears that at least one seed answers wrongly.
        share_left_out: of the drawings of all seeds, those without any smear of a class.
    """

    levels: dict[str, dict[str, Any]]
    num_smears: int
    smears_per_class: Int[np.ndarray, " k"]
    num_wrong: int
    share_left_out: float


def pool_classifiers(runs: Sequence[Run], answers: Mapping[int, Predictions]) -> dict[str, Any]:
    """Returns the figures of one setting, as they stand in pooled.json.

    Args:
        runs: of the setting, at least one; they differ in seed and fold only.
        answers: theirs, by seed.

    Raises:
        UserError: the runs do not go together.
    """
    facts, folds = setting_facts(runs), folds_by_seed(runs)
    figures = pooled_figures(answers, num_classes=len(facts["classes"]))
    per_class = dict(zip(facts["classes"], figures.smears_per_class.tolist(), strict=True))
    return facts | {
        "num_images": [len(own.labels) for own in answers.values()],
        "num_smears": figures.num_smears,
        "num_smears_per_class": per_class,
        **figures.levels,
        "train_test_gap": {part: _gap(folds, part) for part in TRAIN_PARTS},
        "always_wrong": [smear._asdict() for smear in always_wrong(answers)],
        "notes": missing_folds(folds, "smear")
        + cautions(
            per_class,
            num_smears=figures.num_smears,
            num_wrong=figures.num_wrong,
            num_seeds=len(folds),
            share_left_out=figures.share_left_out,
        ),
    }


def _gap(folds: Folds, part: str) -> dict[str, Any] | None:
    """Returns the gap between the curves over the seeds; None where a run did not measure it."""
    gaps = {
        seed: [train_test_gap(run.results["epochs"], part) for run in own.values()]
        for seed, own in folds.items()
    }
    known = {seed: [gap for gap in own if gap is not None] for seed, own in gaps.items()}
    if any(len(known[seed]) < len(gaps[seed]) for seed in gaps):
        return None
    return over_seeds({seed: float(np.mean(own)) for seed, own in known.items()})


def pooled_figures(seeds: Mapping[int, Predictions], *, num_classes: int) -> PooledFigures:
    """Returns the mean over the seeds of each figure, with its interval over smears and seeds.

    Args:
        seeds: answers by seed, at least one.
        num_classes: k.
    """
    resamples = resample(seeds)
    is_wrong: dict[tuple[str, int], bool] = {}  # by smear and class
    for answers in seeds.values():
        smears = _smears_of(answers)
        said = _part(answers, smears, "smear").probabilities.argmax(axis=1)
        for name, label, answer in zip(smears.name, smears.label, said, strict=True):
            key = str(name), int(label)
            is_wrong[key] = is_wrong.get(key, False) or bool(answer != label)
    return PooledFigures(
        resamples.pooled(),
        num_smears=len(resamples.drawn.names),
        smears_per_class=np.bincount([label for _, label in is_wrong], minlength=num_classes),
        num_wrong=sum(is_wrong.values()),
        share_left_out=resamples.drawn.share_left_out,
    )


def resample(seeds: Mapping[int, Predictions]) -> Resamples:
    """Returns each of `POOLED` for "image" and "smear" in all resamples of smears.

    Args:
        seeds: answers by seed, at least one.
    """
    smears = {seed: _smears_of(answers) for seed, answers in seeds.items()}
    units = {seed: Units(np.unique(own.name), own.shows) for seed, own in smears.items()}

    def levels_of(seed: int, weights: Float[np.ndarray, "r d"]) -> Levels:
        parts = {level: _part(seeds[seed], smears[seed], level) for level in ("image", "smear")}
        figures = {
            level: confusion_figures(weighted_confusion(part, weights[:, smears[seed].slide]))
            for level, part in parts.items()
        }
        return {level: {name: own[name] for name in POOLED} for level, own in figures.items()}

    return resample_units("smears", units, levels_of)


def _smears_of(answers: Predictions) -> Smears:
    return group_by_smear(answers.sources, answers.labels, answers.filenames)


def _part(answers: Predictions, smears: Smears, level: str) -> SmearPart:
    if level == "image":
        rows = (answers.labels, answers.probabilities, smears.of_image)
    else:
        mean = mean_over_copies(answers.probabilities, smears)
        rows = (smears.label, mean, np.arange(len(smears.name)))
    return SmearPart(*rows, num_smears=len(smears.name))
