"""Is one setting better than another? Seed by seed and smear by smear, never from one run.

difference = paired_difference(answers_of_a, answers_of_b, resample)       # a less b
difference["image"]["categorical_accuracy"]["interval"]

Two settings are tested on the same smears, and their runs of one seed share the division and the
order; what is hard is hard for both. So both are resampled together, and the interval is that of
the difference: it is narrower than what the two intervals of their own would say.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np

from wbc_jax.errors import UserError
from wbc_jax.evaluation.seed_resamples import Resamples, SeedFigure, summarize
from wbc_jax.reporting.measures import Measures

# From fewer, seeds say nothing of how much a difference hangs on the seed.
MIN_SEEDS = 3


class Answers(Protocol):
    """What a run of any task has answered."""

    def tested(self) -> frozenset[tuple[Any, ...]]:
        """Returns what it was tested on: every image with its unit and its truth."""


A = TypeVar("A", bound=Answers)


def paired_difference(
    ours: Mapping[int, A],
    theirs: Mapping[int, A],
    resample: Callable[[Mapping[int, A]], Resamples],
) -> dict[str, Any] | None:
    """Returns how far each figure of one setting lies above that of another.

    Args:
        ours: answers by seed.
        theirs: the same of the other setting.
        resample: draws smears, or what a task has instead, and seeds anew.

    Returns:
        `seeds` that both have and how many smears (`num_smears`, or what a task has instead); for
        each level each figure's `mean`, `sd`, `per_seed` and `interval` of the differences. None
        without a common seed.

    Raises:
        UserError: a seed of both was tested on different images.
    """
    seeds = [seed for seed in ours if seed in theirs]
    if not seeds:
        return None
    left, right = (resample({seed: own[seed] for seed in seeds}) for own in (ours, theirs))
    for seed in seeds:
        if ours[seed].tested() != theirs[seed].tested():
            raise UserError(
                f"the runs of seed {seed} were tested on different images, {left.counted} or "
                "labels, so they cannot be compared pair by pair; compare settings under one "
                "protocol and one version of the data set"
            )
    found: dict[str, Any] = {"seeds": seeds, f"num_{left.counted}": len(left.drawn.names)}
    for level, figures in left.levels.items():
        found[level] = {
            name: summarize(_less(figure, right.levels[level][name]), left.drawn.seeds_drawn)
            for name, figure in figures.items()
        }
    return found


def _less(ours: SeedFigure, theirs: SeedFigure) -> SeedFigure:
    least, most = ours.bounds
    return SeedFigure(
        {seed: own - theirs.per_seed[seed] for seed, own in ours.per_seed.items()},
        ours.resampled - theirs.resampled,
        (least - most, most - least),
    )


def verdict(
    difference: Mapping[str, Any] | None, ours: str, theirs: str, measures: Measures
) -> str:
    """Returns in plain words whether one setting is better than another.

    Args:
        difference: ours less theirs, from `paired_difference`.
        ours: name of the setting.
        theirs: name of the other.
        measures: of their task.
    """
    if difference is None:
        return f"{ours} and {theirs} have no seed in common: nothing can be said."
    figure, seeds = measures.main.of(difference), difference["seeds"]
    low, high = figure["interval"]
    num_units = difference[f"num_{measures.counted}"]
    counted = f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'}, {num_units} {measures.counted}"
    measured = (
        f"{100 * figure['mean']:+.1f} points of {measures.main_in_words}, 95 % interval "
        f"{100 * low:+.1f} to {100 * high:+.1f}; {counted}"
    )
    if len(seeds) < MIN_SEEDS:
        return (
            f"{ours} against {theirs}: too few seeds for a verdict ({measured}; at least "
            f"{MIN_SEEDS} are needed)."
        )
    if not np.isfinite([low, high]).all() or low == high != 0:  # then nothing was drawn anew
        return f"{ours} against {theirs}: no interval can be given ({measured})."
    if low > 0:
        return f"{ours} is better than {theirs} ({measured})."
    if high < 0:
        return f"{ours} is worse than {theirs} ({measured})."
    return f"No difference between {ours} and {theirs} is shown ({measured})."
