"""How well cells are found and counted: precision, recall, F1, count errors, with intervals.

scores = score_detections(seeds, cells, scenes)
scores["per_kind"]["WBC"]["f1"], scores["intervals"]["per_kind"]["WBC"]["f1"]
scores["radius_curve"]["RBC"]                 # F1 over how far a seed may be from the centre
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from wbc_jax.evaluation.intervals import draw_smears, made_by, percentile_interval
from wbc_jax.reporting.run_schema import FOUND_FIGURES
from wbc_jax.seeds.matching import Cells, count_outcomes
from wbc_jax.seeds.seed_points import KINDS, Seeds, above

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
METHOD = "percentile bootstrap over scenes: pictures of one place are drawn together"
# In units of half the shorter side of a true box; 1 is the published figure.
RADII = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5)


def score_detections(
    seeds: Sequence[Seeds], cells: Sequence[Cells], scenes: Shaped[np.ndarray, " n"]
) -> dict[str, Any]:
    """Returns every figure of a detector over pictures.

    Args:
        seeds: what it found in each picture.
        cells: what is there.
        scenes: which place each picture shows; pictures of one place are no independent trials.

    Returns:
        `per_kind` (the figures of `FOUND_FIGURES`, `support`, `found` and `count_limits`, Bland
        and Altman's limits of agreement, by name), `counts` (per picture and kind: true, found),
        `radius_curve` with `radii`, and `intervals`. F1 of a kind that is nowhere is NaN.
    """
    outcomes = outcomes_of(seeds, cells)
    plain = outcome_figures(outcomes, np.ones((1, len(outcomes))))
    drawn = outcome_figures(outcomes, draw_pictures(scenes))
    true, found = _counts(outcomes)
    errors = (found - true).astype(np.float64)
    # Of a single picture no deviation is known.
    deviation = errors.std(axis=0, ddof=1) if len(errors) > 1 else np.full(len(KINDS), np.nan)
    limits = errors.mean(axis=0) + 1.96 * np.outer((-1, 1), deviation)
    return {
        "per_kind": {
            kind: {
                **{name: float(values[0, i]) for name, values in plain.items()},
                "support": int(true[:, i].sum()),
                "found": int(found[:, i].sum()),
                "count_limits": limits[:, i].tolist(),
            }
            for i, kind in enumerate(KINDS)
        },
        "counts": {
            kind: {"true": true[:, i].tolist(), "found": found[:, i].tolist()}
            for i, kind in enumerate(KINDS)
        },
        "radius_curve": {"radii": list(RADII), **_radius_curve(seeds, cells)},
        "intervals": {
            **made_by(METHOD),
            "num_scenes": len(set(scenes.tolist())),
            "per_kind": {
                kind: {name: percentile_interval(values[:, i]) for name, values in drawn.items()}
                for i, kind in enumerate(KINDS)
            },
        },
    }


def outcomes_of(
    seeds: Sequence[Seeds], cells: Sequence[Cells], *, reach: float = 1.0
) -> Int[np.ndarray, "n kinds 3"]:
    """Returns per picture and kind how many cells were found, seeds false, cells missed."""
    pairs = zip(seeds, cells, strict=True)
    return np.stack([count_outcomes(found, truth, reach=reach) for found, truth in pairs])


def sweep_thresholds(
    seeds: Sequence[Seeds], cells: Sequence[Cells]
) -> dict[str, dict[str, list[float]]]:
    """Returns the figures of `FOUND_FIGURES` at each of `THRESHOLDS`, by kind.

    Args:
        seeds: with low scores, too.
        cells: what is there.
    """
    sweep: dict[str, dict[str, list[float]]] = {
        kind: {"thresholds": list(THRESHOLDS), **{name: [] for name in FOUND_FIGURES}}
        for kind in KINDS
    }
    for threshold in THRESHOLDS:
        kept = [above(one, (threshold,) * len(KINDS)) for one in seeds]
        for kind, figures in mean_figures(kept, cells).items():
            for name, value in figures.items():
                sweep[kind][name].append(value)
    return sweep


def mean_figures(
    seeds: Sequence[Seeds], cells: Sequence[Cells], *, reach: float = 1.0
) -> dict[str, dict[str, float]]:
    """Returns the figures of `FOUND_FIGURES` alone, by kind."""
    outcomes = outcomes_of(seeds, cells, reach=reach)
    figures = outcome_figures(outcomes, np.ones((1, len(outcomes))))
    return {
        kind: {name: float(values[0, i]) for name, values in figures.items()}
        for i, kind in enumerate(KINDS)
    }


def _counts(outcomes: Int[np.ndarray, "n k 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Returns how many cells there are and how many seeds, per picture and kind."""
    hits, false, missed = np.moveaxis(outcomes, -1, 0)
    return hits + missed, hits + false


def outcome_figures(
    outcomes: Int[np.ndarray, "n k 3"], weights: Float[np.ndarray, "r n"]
) -> dict[str, Float[np.ndarray, "r k"]]:
    """Returns the figures of `FOUND_FIGURES`, by kind, for each row of weights of the pictures.

    Args:
        outcomes: of each picture and kind: cells found, seeds false, cells missed.
        weights: of each picture, not negative.
    """
    hits, false, missed = np.einsum("rn,nko->ork", weights, outcomes)
    true, found = _counts(outcomes)
    pictures = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "precision": hits / (hits + false),
            "recall": hits / (hits + missed),
            "f1": 2 * hits / (2 * hits + false + missed),
            "count_mae": weights @ np.abs(found - true) / pictures,
            "count_bias": weights @ (found - true) / pictures,
        }


def draw_pictures(scenes: Shaped[np.ndarray, " n"]) -> Float[np.ndarray, "r n"]:
    """Returns how often each picture is drawn: its scene is, with all its pictures.

    Args:
        scenes: which place each picture shows.
    """
    names, scene_of = np.unique(scenes, return_inverse=True)
    return draw_smears(np.zeros(len(names), np.int64))[:, scene_of]


def _radius_curve(seeds: Sequence[Seeds], cells: Sequence[Cells]) -> dict[str, list[float]]:
    at = [mean_figures(seeds, cells, reach=reach) for reach in RADII]
    return {kind: [figures[kind]["f1"] for figures in at] for kind in KINDS}
