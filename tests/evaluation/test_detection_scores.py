"""Figures of a detector, by hand on few cells; intervals know which pictures belong together."""

import numpy as np
import pytest

from tests.seeds.test_matching import cells_at, seeds_at
from wbc_jax.evaluation.detection_scores import (
    RADII,
    mean_figures,
    score_detections,
    sweep_thresholds,
)
from wbc_jax.seeds.seed_points import Seeds

CELLS = [
    cells_at((10, 10, 0, 4), (40, 40, 0, 4), (20, 60, 1, 9)),
    cells_at((10, 10, 0, 4)),
    cells_at((10, 10, 2, 2)),
]
SEEDS = [
    seeds_at((10, 10, 0), (20, 60, 1)),  # one red cell missed
    seeds_at((10, 12, 0), (50, 50, 0), (60, 60, 0)),  # two false
    seeds_at(),
]
SCENES = np.array(["a", "b", "c"])


def test_the_figures_are_those_of_the_counts() -> None:
    scores = score_detections(SEEDS, CELLS, SCENES)
    red, white, platelets = (scores["per_kind"][kind] for kind in ("RBC", "WBC", "Platelets"))
    assert red["precision"] == pytest.approx(2 / 4)
    assert red["recall"] == pytest.approx(2 / 3)
    assert red["f1"] == pytest.approx(4 / 7)
    assert (red["support"], red["found"]) == (3, 4)
    assert red["count_mae"] == pytest.approx((1 + 2 + 0) / 3)
    assert red["count_bias"] == pytest.approx((-1 + 2 + 0) / 3)
    spread = 1.96 * np.std([-1, 2, 0], ddof=1)
    np.testing.assert_allclose(red["count_limits"], [1 / 3 - spread, 1 / 3 + spread])
    assert white["f1"] == 1.0
    assert platelets["recall"] == 0.0
    assert np.isnan(platelets["precision"])
    assert scores["counts"]["RBC"] == {"true": [2, 1, 0], "found": [1, 3, 0]}
    assert mean_figures(SEEDS, CELLS)["RBC"]["f1"] == red["f1"]


def test_of_a_single_picture_no_limits_of_agreement_are_known() -> None:
    scores = score_detections(SEEDS[:1], CELLS[:1], SCENES[:1])
    red = scores["per_kind"]["RBC"]
    assert (red["support"], red["found"]) == (2, 1)
    assert np.isnan(red["count_limits"]).all()


def test_farther_seeds_count_at_larger_radii() -> None:
    """The seed that is half a radius away counts from 0.5 on."""
    curve = score_detections(SEEDS, CELLS, SCENES)["radius_curve"]
    assert curve["radii"] == list(RADII)
    at = dict(zip(RADII, curve["RBC"], strict=True))
    assert at[0.4] == pytest.approx(2 / 7)
    assert at[0.5] == pytest.approx(4 / 7)
    assert sorted(curve["RBC"]) == curve["RBC"]


def test_pictures_of_one_place_are_drawn_together() -> None:
    """Copies of the pictures change nothing where they share their scenes, and much where not."""
    seeds, cells = SEEDS * 10, CELLS * 10
    together = score_detections(seeds, cells, np.tile(SCENES, 10))["intervals"]
    once = score_detections(SEEDS, CELLS, SCENES)["intervals"]
    apart = score_detections(seeds, cells, np.arange(30).astype(np.str_))["intervals"]
    assert (together["num_scenes"], apart["num_scenes"]) == (3, 30)

    def width(intervals: dict, figure: str = "f1") -> float:
        low, high = intervals["per_kind"]["RBC"][figure]
        return float(high - low)

    assert together["per_kind"]["RBC"] == once["per_kind"]["RBC"]
    assert width(apart) < 0.6 * width(together)
    for figure in ("f1", "count_mae"):
        low, high = once["per_kind"]["RBC"][figure]
        assert low <= score_detections(SEEDS, CELLS, SCENES)["per_kind"]["RBC"][figure] <= high


def test_the_sweep_leaves_seeds_out_from_their_score_on() -> None:
    scores = np.array([0.9, 0.3], np.float32)
    seeds = [Seeds(*(value[:2] for value in SEEDS[1][:3]), scores)]
    sweep = sweep_thresholds(seeds, [CELLS[1]])["RBC"]
    at = dict(zip(sweep["thresholds"], sweep["precision"], strict=True))
    assert (at[0.3], at[0.35], at[0.9]) == (0.5, 1.0, 1.0)
    assert np.isnan(at[0.95])
