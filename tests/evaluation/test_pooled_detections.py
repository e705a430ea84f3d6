"""Means of detectors over seeds, and differences of two, on a handful of pictures."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.html_page import check_page
from wbc_jax.errors import UserError
from wbc_jax.evaluation.intervals import SEED, draw_smears, percentile_interval
from wbc_jax.evaluation.paired import paired_difference, verdict
from wbc_jax.evaluation.pool import pool
from wbc_jax.evaluation.pooled_detections import (
    DetectorAnswers,
    f1_curve,
    pool_detectors,
    read_answers,
    resample_detectors,
)
from wbc_jax.evaluation.seed_resamples import seed_widening
from wbc_jax.reporting.measures import MEASURES
from wbc_jax.reporting.run_files import read_detector_run

SCENES = np.array(["b", "a", "a", "c"])
FILES = np.array([f"{place}.png" for place in range(4)])


def answers(*red: tuple[int, int, int], whites: int = 1) -> DetectorAnswers:
    """Red cells found, false and missed in four pictures, a white one in each, no platelet."""
    outcomes = np.zeros((4, 3, 3), np.int64)
    outcomes[:, 0] = red
    outcomes[:, 1] = (whites, 0, 1 - whites)
    return DetectorAnswers(FILES, SCENES, outcomes)


GOOD = ((4, 0, 0), (3, 1, 1), (5, 0, 1), (2, 0, 0))
FALSE = ((4, 2, 0), (3, 1, 1), (5, 3, 1), (2, 0, 0))  # five seeds more, without a cell
BAD = ((1, 3, 3), (1, 2, 3), (2, 4, 4), (1, 0, 1))  # in every picture


def test_mean_and_deviation_over_seeds_by_hand() -> None:
    levels = resample_detectors({3: answers(*GOOD), 5: answers(*FALSE)}).pooled()
    f1 = [2 * 14 / (2 * 14 + 1 + 2), 2 * 14 / (2 * 14 + 6 + 2)]
    assert levels["RBC"]["f1"]["per_seed"] == pytest.approx({"3": f1[0], "5": f1[1]})
    assert levels["RBC"]["f1"]["mean"] == pytest.approx(np.mean(f1))
    assert levels["RBC"]["f1"]["sd"] == pytest.approx(np.std(f1, ddof=1))
    # Found less there: 0, 0, -1, 0 and 2, 0, 2, 0.
    assert levels["RBC"]["count_mae"]["per_seed"] == pytest.approx({"3": 1 / 4, "5": 4 / 4})
    assert levels["RBC"]["count_bias"]["per_seed"] == pytest.approx({"3": -1 / 4, "5": 4 / 4})
    assert levels["RBC"]["count_bias"]["interval"][0] < 0
    # No platelet is there and none is found, so the mean is that of the other two kinds.
    assert np.isnan(levels["Platelets"]["f1"]["mean"])
    assert levels["macro"]["f1"]["per_seed"]["3"] == pytest.approx((f1[0] + 1) / 2)


def test_one_seed_has_the_intervals_of_its_run(detector_run: Path) -> None:
    """The run's own figures are computed without any of this."""
    run = read_detector_run(detector_run)
    pooled = pool_detectors([run], {0: read_answers(run)})
    test = run.results["test"]
    for kind, figures in test["per_kind"].items():
        ends = test["intervals"]["per_kind"][kind]
        for name in ("precision", "recall", "f1", "count_mae", "count_bias"):
            figure = pooled[kind][name]
            if figures[name] is None:  # of a kind that was found nowhere
                assert np.isnan(figure["mean"])
                continue
            assert figure["mean"] == pytest.approx(figures[name])
            assert figure["sd"] is None
            np.testing.assert_allclose(figure["interval"], ends[name])
    assert pooled["num_scenes"] == test["intervals"]["num_scenes"]
    assert pooled["num_images"] == [run.results["num_test"]]
    assert pooled["notes"][0] == (
        "One seed: the intervals are over scenes alone, and another seed may well lie outside."
    )


def test_the_curve_is_the_mean_of_the_kinds(detector_run: Path) -> None:
    run = read_detector_run(detector_run)
    curve = f1_curve(run)
    kinds = ("f1_RBC", "f1_WBC", "f1_Platelets")
    expected = [np.mean([epoch["test"][kind] for kind in kinds]) for epoch in run.results["epochs"]]
    assert curve == pytest.approx(expected)
    assert max(curve) > 0


def test_without_cells_there_is_a_curve_of_nothing(detector_run: Path) -> None:
    run = read_detector_run(detector_run)
    for figures in run.results["test"]["per_kind"].values():
        figures["support"] = 0
    assert np.isnan(f1_curve(run)).all()
    assert len(f1_curve(run)) == len(run.results["epochs"])


def test_the_difference_and_its_interval_by_hand() -> None:
    ours = {seed: answers(*GOOD) for seed in range(3)}
    theirs = {0: answers(*FALSE), 1: answers(*GOOD), 2: answers(*FALSE)}
    difference = paired_difference(ours, theirs, resample_detectors)
    assert difference is not None
    assert (difference["seeds"], difference["num_scenes"]) == ([0, 1, 2], 3)
    figure = difference["RBC"]["count_mae"]
    own = np.array([-3 / 4, 0, -3 / 4])
    assert list(figure["per_seed"].values()) == pytest.approx(own)
    # A scene is drawn for both and for all seeds, with all its pictures.
    draws = draw_smears(np.zeros(3, np.intp))[:, [1, 0, 0, 2]]
    gains = np.array([-2, 0, -1, 0])  # less error in each picture
    mean = draws @ gains / draws.sum(axis=1)
    gained = np.stack([mean, np.zeros_like(mean), mean], axis=1)
    drawn = np.random.default_rng([SEED, 1]).integers(3, size=(2000, 3))
    expected = np.take_along_axis(gained, drawn, axis=1).mean(axis=1)
    expected += (seed_widening(3) - 1) * (own[drawn].mean(axis=1) - own.mean())
    assert figure["interval"] == pytest.approx(percentile_interval(expected))


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (GOOD, "A is better than B ("),
        (BAD, "No difference between A and B is shown ("),
    ],
)
def test_the_verdict_in_words(ours: tuple[Any, ...], said: str) -> None:
    theirs = {seed: answers(*BAD) for seed in range(3)}
    found = paired_difference(
        {seed: answers(*ours) for seed in range(3)}, theirs, resample_detectors
    )
    text = verdict(found, "A", "B", MEASURES["detection"])
    assert text.startswith(said), text
    assert "points of F1 over the test pictures, mean of the kinds, 95 % interval" in text
    assert "; 3 seeds, 3 scenes)" in text


def test_a_seed_of_a_kind_that_is_not_there_does_not_decide() -> None:
    """No platelet is there: one that is found in vain is no reason to average over other kinds."""
    one_false = answers(*GOOD)
    one_false.outcomes[0, 2] = (0, 1, 0)
    ours = dict.fromkeys(range(3), one_false)
    theirs = {seed: answers(*GOOD) for seed in range(3)}
    difference = paired_difference(ours, theirs, resample_detectors)
    assert difference is not None
    assert difference["macro"]["f1"]["mean"] == 0
    assert difference["macro"]["f1"]["interval"] == [0, 0]


def test_what_so_small_a_test_cannot_tell_is_said(detector_run: Path) -> None:
    run = read_detector_run(detector_run)
    notes = pool_detectors([run], {seed: answers(*GOOD) for seed in range(3)})["notes"]
    assert notes == [
        "Fewer than 10 test scenes of RBC (3), WBC (3): intervals from so few are too narrow.",
        "No test scene of Platelets: means are of the others.",
        "Every cell of WBC is found and none in vain, so no drawing of scenes can show an error: "
        "there the intervals have no width.",
    ]


@pytest.mark.parametrize("changed", ["picture", "place", "cells", "kind"])
def test_other_pictures_places_or_cells_cannot_be_compared(changed: str) -> None:
    own = answers(*GOOD)
    other = {
        "picture": own._replace(filenames=np.array(["0.png", "1.png", "2.png", "9.png"])),
        "place": own._replace(scenes=np.array(["b", "a", "a", "b"])),
        "cells": answers((4, 0, 1), *GOOD[1:]),
        "kind": own._replace(outcomes=own.outcomes[:, ::-1]),
    }[changed]
    with pytest.raises(UserError, match="tested on different images, scenes or labels"):
        paired_difference({0: own}, {0: other}, resample_detectors)


@pytest.mark.parametrize("field", ["thresholds", "epochs"])
def test_a_result_that_lacks_a_kind_is_named(
    field: str, detector_run: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(detector_run, tmp_path / "run"))
    results = json.loads((path / "results.json").read_text(encoding="utf-8"))
    if field == "thresholds":
        results["thresholds"]["WBC"] = None
    else:
        del results["epochs"][0]["test"]["f1_WBC"]
    (path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    with pytest.raises(UserError, match=r"results\.json.*(thresholds|epochs\[0\]).*WBC"):
        read_detector_run(path)


def test_detections_of_other_pictures_than_the_results_are_refused(
    detector_run: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(detector_run, tmp_path / "run"))
    results = json.loads((path / "results.json").read_text(encoding="utf-8"))
    results["num_test"] += 1
    (path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    with pytest.raises(UserError, match=r"detections\.npz holds \d+ pictures, but results\.json"):
        read_answers(read_detector_run(path))


def copy_of(run: Path, to: Path, *, seed: int, fold: int) -> Path:
    """A run of the same detector in folds; in another one the pictures have other names."""
    shutil.copytree(run, to)
    for name in ("config.json", "results.json"):
        content = json.loads((to / name).read_text(encoding="utf-8"))
        content["seed"] = seed
        if name == "config.json":
            content["data"]["fold"] = fold
        else:
            content["protocol"] = "bccd_dev"
        (to / name).write_text(json.dumps(content), encoding="utf-8")
    arrays = dict(np.load(to / "detections.npz", allow_pickle=False))
    arrays["filename"] = np.char.add(f"{fold}/", arrays["filename"])
    np.savez(to / "detections.npz", **arrays)
    return to


def test_detectors_are_pooled_over_seeds_and_folds(detector_run: Path, tmp_path: Path) -> None:
    runs = [
        copy_of(detector_run, tmp_path / f"{seed}-{fold}", seed=seed, fold=fold)
        for seed, fold in [(0, 0), (0, 1), (1, 0)]
    ]
    (tmp_path / "out").mkdir()
    before = "network,protocol,image,smear,labelled,answered,probability_of_label,seeds\n"
    (tmp_path / "out" / "doubtful.csv").write_text(before)  # of classifiers
    page = check_page(pool(runs, tmp_path / "out").read_text(encoding="utf-8"))
    assert not (tmp_path / "out" / "doubtful.csv").exists()
    pooled = json.loads((tmp_path / "out" / "pooled.json").read_text(encoding="utf-8"))
    assert pooled["task"] == "detection"
    (group,) = pooled["groups"]
    test = json.loads((detector_run / "results.json").read_text(encoding="utf-8"))["test"]
    assert (group["seeds"], group["folds"]) == ([0, 1], [0, 1])
    num_test = len(test["counts"]["RBC"]["true"])
    assert group["num_images"] == [2 * num_test, num_test]
    own = test["per_kind"]["RBC"]["f1"]  # of every copy, so of all together
    assert group["RBC"]["f1"]["per_seed"] == pytest.approx({"0": own, "1": own})
    assert group["notes"][0].startswith(
        "Seed 0 without fold 2, 3, 4 of 5: not every scene is tested"
    )
    (caption,) = [name for name in page.tables if name.startswith("Mean ±")]
    assert "over scenes and seeds" in caption
    heading, row = page.tables[caption]
    assert heading[4:7] == ["Test pictures", "Test scenes", "F1, mean of the kinds"]
    shown = dict(zip(heading, row, strict=True))
    assert shown["F1, RBC"].replace("\u00a0", " ").startswith(f"{100 * own:.1f} ± 0.0 % [")
    assert "Train" not in " ".join(heading)
    text = (tmp_path / "out" / "pooled.md").read_text(encoding="utf-8")
    assert "| 2 | 2 |" in text
    assert "Hard smears" not in text
