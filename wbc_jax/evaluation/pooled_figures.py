"""Figures of one setting over its seeds: mean, deviation, and how much they depend on the smears.

figures = pooled_figures({0: answers_of_seed_0, 1: answers_of_seed_1}, num_classes=4)
figures.levels["image"]["categorical_accuracy"]    # {"mean": ..., "sd": ..., "interval": ...}
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped
from scipy import stats

from wbc_jax.evaluation.intervals import (
    CONFIDENCE,
    METHOD,
    RESAMPLES,
    SEED,
    draw_smears,
    percentile_interval,
)
from wbc_jax.evaluation.smears import Smears, group_by_smear, mean_over_copies
from wbc_jax.evaluation.weighted import (
    SmearPart,
    confusion_figures,
    nan_mean,
    weighted_confusion,
)
from wbc_jax.reporting.run_files import Predictions

POOLED = ("categorical_accuracy", "balanced_accuracy", "macro_f1")
INTERVALS = {
    "method": f"{METHOD}, and over seeds, which few of them widen as Student's t asks",
    "confidence": CONFIDENCE,
    "resamples": RESAMPLES,
    "seed": SEED,
}  # how those of this module are made


class PooledFigures(NamedTuple):
    """Figures of one setting.

    Attributes:
        levels: for "image" and "smear" each of `POOLED`: `mean` and `sd` over the seeds (None for
            a single seed), `per_seed`, and the `interval` of the mean.
        smears_per_class: number of different smears that any seed was tested on, by label.
        num_wrong: smears that at least one seed answers wrongly.
        share_left_out: of the drawings of all seeds, those without any smear of a class.
    """

    levels: dict[str, dict[str, Any]]
    smears_per_class: Int[np.ndarray, " k"]
    num_wrong: int
    share_left_out: float


def pooled_figures(seeds: Mapping[int, Predictions], *, num_classes: int) -> PooledFigures:
    """Returns the mean over the seeds of each figure, with its interval over smears.

    Smears and seeds are drawn, both with replacement. A smear is drawn for all seeds at once:
    they were tested on the same smears, so their errors go together, and a mean over seeds knows
    the smears no better than one seed does. Seeds are drawn because other weights, and under some
    protocols another division, would have given another mean; their part is widened as Student's t
    asks for so few (see `seed_widening`). A seed that tests on smears of its
    own keeps its number of smears of every class; a resample without any of a class leaves that
    seed out.

    Args:
        seeds: answers by seed, at least one.
        num_classes: k.
    """
    drawn = resample(seeds)
    levels = {
        level: {
            name: over_seeds(figure.per_seed)
            | {"interval": percentile_interval(drawn.means_of(figure).clip(0, 1))}
            for name, figure in figures.items()
        }
        for level, figures in drawn.levels.items()
    }
    return PooledFigures(
        levels,
        np.bincount(drawn.labels, minlength=num_classes),
        num_wrong=drawn.num_wrong,
        share_left_out=drawn.share_left_out,
    )


class Resamples(NamedTuple):
    """Figures of every seed, as they are and of every drawing of smears and seeds.

    Attributes:
        levels: for "image" and "smear" each of `POOLED`.
        labels: class of each smear that any seed was tested on.
        names: class and name of these smears; equal smears are drawn equally often.
        seeds_drawn: places of the seeds drawn in each resample.
        num_wrong: smears that at least one seed answers wrongly.
        share_left_out: of the drawings of all seeds, those without any smear of a class.
    """

    levels: dict[str, dict[str, "SeedFigure"]]
    labels: Int[np.ndarray, " u"]
    names: Shaped[np.ndarray, " u"]
    seeds_drawn: Int[np.ndarray, "r n"]
    num_wrong: int
    share_left_out: float

    def means_of(self, figure: "SeedFigure") -> Float[np.ndarray, " r"]:
        """Returns each resample's mean over the seeds drawn, how far these differ widened.

        One may lie outside of the figure's own range.
        """
        own = np.array(list(figure.per_seed.values()))
        by_seeds = own[self.seeds_drawn].mean(axis=1) - own.mean()
        of_drawn = nan_mean(np.take_along_axis(figure.resampled, self.seeds_drawn, 1))
        return of_drawn + (seed_widening(len(own)) - 1) * by_seeds


def seed_widening(num_seeds: int) -> float:
    """Returns by how much drawing so few seeds must be stretched for an interval that holds.

    Drawing n values anew has a deviation that is too small by sqrt((n - 1) / n), and its ends are a
    normal distribution's where Student's t with n - 1 degrees of freedom is due: 2.7 for three
    seeds, 1.6 for five. Without it an interval over three seeds misses in one of four cases.

    Source: Efron and Tibshirani (1993), section 12.3, for Student's t; Hesterberg (2015), What
    Teachers Should Know About the Bootstrap, for both.
    """
    if num_seeds == 1:
        return 1.0
    end = (1 + CONFIDENCE) / 2
    few = float(stats.t.ppf(end, num_seeds - 1) / stats.norm.ppf(end))
    return few * (num_seeds / (num_seeds - 1)) ** 0.5


class SeedFigure(NamedTuple):
    """One figure of all seeds.

    Attributes:
        per_seed: the figure itself.
        resampled: of each drawing of smears, a column per seed; NaN where a class is missing.
    """

    per_seed: dict[int, float]
    resampled: Float[np.ndarray, "r n"]


def resample(seeds: Mapping[int, Predictions]) -> Resamples:
    """Returns the figures of all resamples; the same smears are drawn wherever they are the same.

    Args:
        seeds: answers by seed, at least one.
    """
    smears = {seed: group_by_smear(a.sources, a.labels, a.filenames) for seed, a in seeds.items()}
    names, union, places = _union(smears)
    draws = draw_smears(union)
    # A stream of its own: the smears are drawn from SEED's.
    random = np.random.default_rng([SEED, 1])
    seeds_drawn = random.integers(len(seeds), size=(len(draws), len(seeds)))
    levels: dict[str, dict[str, SeedFigure]] = {}
    is_wrong = np.zeros(len(union), bool)
    stratified = {seed: _stratified(draws[:, places[seed]], smears[seed].label) for seed in seeds}
    for level in ("image", "smear"):
        points, resampled = [], []
        for seed, answers in seeds.items():
            part = _part(answers, smears[seed], level)
            weights, is_whole = stratified[seed]
            points.append(confusion_figures(weighted_confusion(part, np.ones_like(weights[:1]))))
            figures = confusion_figures(weighted_confusion(part, weights))
            resampled.append({name: np.where(is_whole, figures[name], np.nan) for name in POOLED})
            if level == "smear":
                is_wrong[places[seed]] |= part.probabilities.argmax(axis=1) != part.labels
        levels[level] = {
            name: SeedFigure(
                dict(zip(seeds, (float(figures[name][0]) for figures in points), strict=True)),
                np.stack([figures[name] for figures in resampled], axis=1),
            )
            for name in POOLED
        }
    left_out = 1 - float(np.mean([is_whole for _, is_whole in stratified.values()]))
    return Resamples(levels, union, names, seeds_drawn, int(is_wrong.sum()), left_out)


def _stratified(
    weights: Num[np.ndarray, "r s"], labels: Int[np.ndarray, " s"]
) -> tuple[Float[np.ndarray, "r s"], Bool[np.ndarray, " r"]]:
    """Returns draws with every class at its own number of smears, and which have all classes.

    Args:
        weights: how often each of a seed's smears is drawn, from among those of all seeds.
        labels: their classes.
    """
    stratified = weights.astype(np.float64)
    is_whole = np.ones(len(weights), bool)
    for label in np.unique(labels):
        of_class = labels == label
        drawn = stratified[:, of_class].sum(axis=1, keepdims=True)
        is_whole &= drawn[:, 0] > 0
        stratified[:, of_class] *= of_class.sum() / np.maximum(drawn, 1)
    return stratified, is_whole


def _union(
    smears: Mapping[int, Smears],
) -> tuple[Shaped[np.ndarray, " u"], Int[np.ndarray, " u"], dict[int, Int[np.ndarray, " _"]]]:
    """Returns name and label of each smear that occurs, and where each seed's stand among them."""
    keys = {
        seed: np.char.add(np.char.add(own.label.astype(np.str_), "/"), own.name)
        for seed, own in smears.items()
    }
    known = np.unique(np.concatenate(list(keys.values())))
    labels = np.array([int(key.split("/", 1)[0]) for key in known], np.intp)
    return known, labels, {seed: np.searchsorted(known, own) for seed, own in keys.items()}


def _part(answers: Predictions, smears: Smears, level: str) -> SmearPart:
    if level == "image":
        rows = (answers.labels, answers.probabilities, smears.of_image)
    else:
        mean = mean_over_copies(answers.probabilities, smears)
        rows = (smears.label, mean, np.arange(len(smears.name)))
    return SmearPart(*rows, num_smears=len(smears.name))


def over_seeds(per_seed: Mapping[int, float]) -> dict[str, Any]:
    """Returns `mean`, `sd` (None for a single seed) and the values `per_seed`."""
    values = np.array(list(per_seed.values()))
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if values.size > 1 else None,
        "per_seed": {str(seed): value for seed, value in per_seed.items()},
    }
