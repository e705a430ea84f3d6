"""Is one setting better than another? Seed by seed and smear by smear, never from one run.

difference = paired_difference(answers_of_a, answers_of_b)       # a less b
difference["image"]["categorical_accuracy"]["interval"]

Two settings are tested on the same smears, and their runs of one seed share the division and the
order; what is hard is hard for both. So both are resampled together, and the interval is that of
the difference: it is narrower than what the two intervals of their own would say.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from wbc_jax.errors import UserError
from wbc_jax.evaluation.intervals import percentile_interval
from wbc_jax.evaluation.pooled_figures import SeedFigure, over_seeds, resample
from wbc_jax.reporting.run_files import Predictions

# From fewer, seeds say nothing of how much a difference hangs on the seed.
MIN_SEEDS = 3


def paired_difference(
    ours: Mapping[int, Predictions], theirs: Mapping[int, Predictions]
) -> dict[str, Any] | None:
    """Returns how far each figure of one setting lies above that of another.

    Args:
        ours: answers by seed.
        theirs: the same of the other setting.

    Returns:
        `seeds` that both have; for "image" and "smear" each pooled figure's `mean`, `sd`,
        `per_seed` and `interval` of the differences, in shares of 1, [-1, 1] at most. None without
        a common seed.

    Raises:
        UserError: a seed of both was tested on different images.
    """
    seeds = [seed for seed in ours if seed in theirs]
    if not seeds:
        return None
    for seed in seeds:
        if _tested(ours[seed]) != _tested(theirs[seed]):
            raise UserError(
                f"the runs of seed {seed} were tested on different images, smears or labels, so "
                "they cannot be compared pair by pair; compare settings under one protocol and one "
                "version of the data set"
            )
    left, right = (resample({seed: own[seed] for seed in seeds}) for own in (ours, theirs))
    found: dict[str, Any] = {"seeds": seeds, "num_smears": len(left.names)}
    for level, figures in left.levels.items():
        found[level] = {}
        for name, figure in figures.items():
            other = right.levels[level][name]
            differences = {s: figure.per_seed[s] - other.per_seed[s] for s in seeds}
            means = left.means_of(SeedFigure(differences, figure.resampled - other.resampled))
            interval = percentile_interval(means.clip(-1, 1))
            found[level][name] = over_seeds(differences) | {"interval": interval}
    return found


def _tested(answers: Predictions) -> set[tuple[str, str, int]]:
    rows = (answers.filenames.tolist(), answers.sources.tolist(), answers.labels.tolist())
    return set(zip(*rows, strict=True))


def verdict(difference: Mapping[str, Any] | None, ours: str, theirs: str) -> str:
    """Returns in plain words whether one setting is better than another.

    Args:
        difference: ours less theirs, from `paired_difference`.
        ours: name of the setting.
        theirs: name of the other.
    """
    if difference is None:
        return f"{ours} and {theirs} have no seed in common: nothing can be said."
    figure, seeds = difference["image"]["categorical_accuracy"], difference["seeds"]
    low, high = figure["interval"]
    counted = (
        f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'}, {difference['num_smears']} smears"
    )
    measured = (
        f"{100 * figure['mean']:+.1f} points of accuracy over the test images, 95 % interval "
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
