"""95 % intervals: how much a figure could have been another with other smears.

draws = draw_smears(*strata_of(smears.shows), resamples=RESAMPLES, seed=SEED)[:, smears.slide]
intervals = percentile_intervals(weighted_figures(part, draws), classes)

Images that are copies of one smear are no independent trials: 71 smears stand behind 2487 test
images. So smears are resampled, each with all its copies, and never images.

Source: Efron and Tibshirani (1993), chapters 8 (more general data structures) and 13 (percentiles).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Num

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 0  # one for all runs: their intervals differ by their answers alone
METHOD = "percentile bootstrap over smears, stratified by class where each shows one"

_FEW = 10  # smears of a class below which percentile intervals are notably too narrow


def made_by(method: str) -> dict[str, Any]:
    """Returns how intervals are made, for a file's readers."""
    return {"method": method, "confidence": CONFIDENCE, "resamples": RESAMPLES, "seed": SEED}


def strata_of(*parts: Bool[np.ndarray, "..."]) -> list[Int[np.ndarray, " _"]]:
    """Returns what smears are drawn within: their class, or all together where one shows several.

    Then no class describes it, and beside smears of one class it may be alone of its kind: within a
    stratum of its own it would be in every drawing.

    Args:
        *parts: which classes each smear of a test shows, [s, k]; of several tests, that are drawn
            together.
    """
    is_by_class = all((shows.sum(axis=1) == 1).all() for shows in parts)
    return [
        shows.argmax(axis=1) if is_by_class else np.zeros(len(shows), np.intp) for shows in parts
    ]


def shows_all(
    draws: Num[np.ndarray, "r s"], shows: Bool[np.ndarray, "s k"]
) -> Bool[np.ndarray, " r"]:
    """Returns which drawings have a smear of every class that any smear shows.

    Args:
        draws: how often each smear was drawn.
        shows: which classes it shows.
    """
    return (draws @ shows[:, shows.any(axis=0)] > 0).all(axis=1)


def draw_smears(
    strata: Int[np.ndarray, " s"], *, resamples: int = RESAMPLES, seed: int = SEED
) -> Float[np.ndarray, "r s"]:
    """Draws as many smears of each stratum as there are, with replacement, again and again.

    Args:
        strata: class of each smear, or what else it must be exchanged within.
        resamples: how many times.
        seed: of the draws.

    Returns:
        How often each smear was drawn each time; the row sums within a stratum are its smears.
    """
    random = np.random.default_rng(seed)
    counts = np.zeros((resamples, len(strata)))
    for stratum in np.unique(strata):
        smears = np.flatnonzero(strata == stratum)
        shares = np.full(len(smears), 1 / len(smears))
        counts[:, smears] = random.multinomial(len(smears), shares, size=resamples)
    return counts


def percentile_interval(values: Float[np.ndarray, " r"]) -> list[float]:
    """Returns the lower and upper end of the middle 95 % of what is defined; else both NaN."""
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        return [float("nan")] * 2
    ends = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return [float(end) for end in ends]


def percentile_intervals(
    figures: Mapping[str, Float[np.ndarray, "..."]], classes: Sequence[str]
) -> dict[str, Any]:
    """Returns `[low, high]` of every figure, under the names that the figures have in a run.

    Args:
        figures: of each resample, from `weighted_figures`.
        classes: names in label order.

    Returns:
        One pair per figure; `per_class` and `auroc` hold one per class.
    """
    by_class = {
        name: [percentile_interval(values[:, label]) for label in range(len(classes))]
        for name, values in figures.items()
        if values.ndim == 2
    }
    plain = {
        name: percentile_interval(values) for name, values in figures.items() if values.ndim == 1
    }
    auroc = dict(zip(classes, by_class.pop("auroc"), strict=True))
    return plain | {
        "auroc": auroc | {"macro": plain.pop("auroc_macro")},
        "per_class": {
            name: {figure: ends[label] for figure, ends in by_class.items()}
            for label, name in enumerate(classes)
        },
    }


def cautions(
    smears_per_class: Mapping[str, int],
    *,
    num_smears: int,
    num_wrong: int,
    num_seeds: int = 1,
    share_left_out: float = 0.0,
) -> list[str]:
    """Returns what a reader of the intervals must know of this test, one sentence each.

    Args:
        smears_per_class: number of test smears by class.
        num_smears: number of test smears, those of several classes once.
        num_wrong: how many are answered wrongly, their copies of a class taken together.
        num_seeds: whose mean the figures are.
        share_left_out: of the drawings, those without any of a class.
    """
    found = []
    if num_seeds == 1:
        found.append(one_seed_caution("smears"))
    if num_smears < sum(smears_per_class.values()):
        if share_left_out > 0:
            found.append(
                "Smears with cells of several classes are drawn as a whole, and few show some "
                f"class: {100 * share_left_out:.0f} % of the drawings have none of it and are left "
                "out."
            )
        found += few_cautions({"any class": num_smears}, "smears")
    elif share_left_out > 0:
        found.append(
            "Seeds test on different smears, and some on very few of a class: "
            f"{100 * share_left_out:.0f} % of their drawings have none of it and are left out, so "
            "the intervals are wider than they had to be."
        )
    else:
        if single := [name for name, count in smears_per_class.items() if count == 1]:
            found.append(
                f"There is a single test smear of {', '.join(single)}: within such a class nothing "
                "can be drawn anew, so the intervals say nothing of it and are too narrow."
            )
        found += few_cautions({n: c for n, c in smears_per_class.items() if c > 1}, "smears")
    found += absent_cautions(smears_per_class, "smears")
    if num_wrong == 0:
        most = 100 * min(1.0, 3 / max(num_smears, 1))
        found.append(
            f"All {num_smears} smears are answered right, so no drawing of them can show an error: "
            "at smear level the intervals of accuracy, F1 and MCC have no width. With no error in "
            f"n smears a true error rate up to about 3 / n, here {most:.1f} %, is still within "
            "95 %."
        )
    return found


def one_seed_caution(counted: str) -> str:
    """Returns what must be known of intervals from a single seed.

    Args:
        counted: what was drawn anew, in the plural.
    """
    return (
        f"One seed: the intervals are over {counted} alone, and another seed may well lie outside."
    )


def few_cautions(units_per_class: Mapping[str, int], counted: str) -> list[str]:
    """Returns what must be known of classes, or kinds of cells, that only few units show.

    Args:
        units_per_class: number of test smears, or scenes, by class.
        counted: what these are, in the plural.
    """
    few = {name: count for name, count in units_per_class.items() if 0 < count < _FEW}
    if not few:
        return []
    listed = ", ".join(f"{name} ({count})" for name, count in few.items())
    return [f"Fewer than {_FEW} test {counted} of {listed}: intervals from so few are too narrow."]


def absent_cautions(units_per_class: Mapping[str, int], counted: str) -> list[str]:
    """Returns the same of those that none shows."""
    absent = [name for name, count in units_per_class.items() if count == 0]
    if not absent:
        return []
    return [f"No test {counted[:-1]} of {', '.join(absent)}: means are of the others."]
