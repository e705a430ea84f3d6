"""Smears and seeds drawn anew together: what a mean over seeds, or a difference of two, hangs on.

resamples = resample_units("smears", {0: Units(names, shows), 1: ...}, levels_of)
resamples.pooled()["image"]["categorical_accuracy"]    # {"mean": ..., "sd": ..., "interval": ...}
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped
from scipy import stats

from wbc_jax.evaluation.intervals import (
    CONFIDENCE,
    SEED,
    draw_smears,
    made_by,
    percentile_interval,
    shows_all,
    strata_of,
)
from wbc_jax.evaluation.weighted import nan_mean


def intervals_by(method: str) -> dict[str, Any]:
    """Returns how intervals over seeds are made, for a file's readers.

    Args:
        method: how they are made for one seed.
    """
    return made_by(f"{method}, and over seeds, which few of them widen as Student's t asks")


class Units(NamedTuple):
    """What a seed was tested on, in units that are independent of each other.

    Attributes:
        names: of each unit: a smear, or a place that pictures show.
        shows: which classes each unit shows; where all show one, units are drawn class by class.
    """

    names: Shaped[np.ndarray, " s"]
    shows: Bool[np.ndarray, "s k"]


class Drawn(NamedTuple):
    """Units and seeds drawn again and again, both with replacement.

    Attributes:
        names: stratum and name of each unit that any seed was tested on.
        weights: of each seed's units in each resample, every stratum at its own number of units.
        is_whole: of each seed and resample, whether there is a unit of every class.
        seeds_drawn: places of the seeds drawn in each resample.
    """

    names: Shaped[np.ndarray, " u"]
    weights: dict[int, Float[np.ndarray, "r _"]]
    is_whole: dict[int, Bool[np.ndarray, " r"]]
    seeds_drawn: Int[np.ndarray, "r n"]

    @property
    def share_left_out(self) -> float:
        """Of the drawings of all seeds, those without any unit of a class."""
        return 1 - float(np.mean(list(self.is_whole.values())))


def draw_together(units: Mapping[int, Units]) -> Drawn:
    """Draws the units of all seeds at once, and seeds.

    A unit is drawn for all seeds at once: where they were tested on the same ones their errors go
    together, and a mean over seeds knows the units no better than one seed does. Seeds are drawn
    because other weights, and under some protocols another division, would have given another mean.

    Args:
        units: of each seed's test, at least one seed.
    """
    strata = dict(zip(units, strata_of(*(own.shows for own in units.values())), strict=True))
    keys = {
        seed: np.char.add(np.char.add(strata[seed].astype(np.str_), "/"), own.names.astype(np.str_))
        for seed, own in units.items()
    }
    names = np.unique(np.concatenate(list(keys.values())))
    draws = draw_smears(np.array([int(key.split("/", 1)[0]) for key in names], np.intp))
    # A stream of its own: the units are drawn from SEED's.
    random = np.random.default_rng([SEED, 1])
    seeds_drawn = random.integers(len(units), size=(len(draws), len(units)))
    weights = {
        seed: _stratified(draws[:, np.searchsorted(names, keys[seed])], strata[seed])
        for seed in units
    }
    is_whole = {seed: shows_all(weights[seed], own.shows) for seed, own in units.items()}
    return Drawn(names, weights, is_whole, seeds_drawn)


def _stratified(
    draws: Num[np.ndarray, "r s"], strata: Int[np.ndarray, " s"]
) -> Float[np.ndarray, "r s"]:
    """Returns draws with every stratum at its own number of units, or at none.

    Args:
        draws: how often each of a seed's units is drawn, from among those of all seeds.
        strata: of these.
    """
    stratified = draws.astype(np.float64)
    for stratum in np.unique(strata):
        inside = strata == stratum
        drawn = stratified[:, inside].sum(axis=1, keepdims=True)
        stratified[:, inside] *= inside.sum() / np.maximum(drawn, 1)
    return stratified


class SeedFigure(NamedTuple):
    """One figure of all seeds.

    Attributes:
        per_seed: the figure itself.
        resampled: of each drawing of units, a column per seed; NaN where it is not defined.
        bounds: the least and the most that it can be.
    """

    per_seed: dict[int, float]
    resampled: Float[np.ndarray, "r n"]
    bounds: tuple[float, float] = (0.0, 1.0)


class Resamples(NamedTuple):
    """Figures of every seed, as they are and of every drawing.

    Attributes:
        counted: what the units are, in the plural: "smears" or "scenes".
        drawn: units and seeds.
        levels: figures by name, by what they are taken over.
    """

    counted: str
    drawn: Drawn
    levels: dict[str, dict[str, SeedFigure]]

    def pooled(self) -> dict[str, dict[str, Any]]:
        """Returns `mean`, `sd`, `per_seed` and the `interval` of the mean of every figure."""
        return {
            level: {name: summarize(figure, self.drawn.seeds_drawn) for name, figure in own.items()}
            for level, own in self.levels.items()
        }


Levels = Mapping[str, Mapping[str, Float[np.ndarray, " r"]]]


def resample_units(
    counted: str,
    units: Mapping[int, Units],
    levels_of: Callable[[int, Float[np.ndarray, "r _"]], Levels],
    bounds: Mapping[str, tuple[float, float]] = {},
) -> Resamples:
    """Returns every figure of every seed, as it is and of every drawing of units.

    Args:
        counted: what the units are, in the plural.
        units: of each seed's test, at least one seed.
        levels_of: gives a seed's figures, by level and name, once per row of weights of its units.
        bounds: of figures that are no shares, by name.
    """
    drawn = draw_together(units)
    plain = {seed: levels_of(seed, np.ones((1, len(own.names)))) for seed, own in units.items()}
    resampled = {seed: levels_of(seed, drawn.weights[seed]) for seed in units}

    def figure(level: str, name: str) -> SeedFigure:
        columns = [
            np.where(drawn.is_whole[seed], own[level][name], np.nan)
            for seed, own in resampled.items()
        ]
        per_seed = {seed: float(own[level][name][0]) for seed, own in plain.items()}
        return SeedFigure(per_seed, np.stack(columns, axis=1), bounds.get(name, (0.0, 1.0)))

    names = next(iter(plain.values()))
    levels = {level: {name: figure(level, name) for name in own} for level, own in names.items()}
    return Resamples(counted, drawn, levels)


def summarize(figure: SeedFigure, seeds_drawn: Int[np.ndarray, "r n"]) -> dict[str, Any]:
    """Returns `mean`, `sd`, `per_seed` and the `interval` of a figure's mean.

    What seeds add to the interval is widened as Student's t asks for so few, see `seed_widening`.
    A resample without any unit of a class leaves that seed out.

    Args:
        figure: of all seeds.
        seeds_drawn: places of the seeds drawn in each resample.
    """
    own = np.array(list(figure.per_seed.values()))
    by_seeds = own[seeds_drawn].mean(axis=1) - own.mean()
    means = nan_mean(np.take_along_axis(figure.resampled, seeds_drawn, 1))
    means += (seed_widening(len(own)) - 1) * by_seeds
    interval = percentile_interval(means.clip(*figure.bounds))
    return over_seeds(figure.per_seed) | {"interval": interval}


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


def over_seeds(per_seed: Mapping[int, float]) -> dict[str, Any]:
    """Returns `mean`, `sd` (None for a single seed) and the values `per_seed`.

    What one seed leaves undefined, NaN, has no mean.
    """
    values = np.array(list(per_seed.values()))
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if values.size > 1 else None,
        "per_seed": {str(seed): value for seed, value in per_seed.items()},
    }
