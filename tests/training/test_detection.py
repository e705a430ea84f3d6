"""A detector through the loop of the classifiers: trained, resumed, measured, reported, loaded."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from tests.reporting.html_page import Page
from wbc_jax.data.annotated import NO_CELL
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.evaluation.detections import read_detections
from wbc_jax.evaluation.evaluate import evaluate
from wbc_jax.reporting import detector_summary as summary
from wbc_jax.reporting.detector_summary import detector_summary
from wbc_jax.reporting.number_text import NO_VALUE, percent
from wbc_jax.reporting.run_files import read_detector_run, read_run
from wbc_jax.reporting.summary import run_summary
from wbc_jax.seeds.detection import load_detector
from wbc_jax.training.detection import known_kinds
from wbc_jax.training.train import train

TinyConfig = Callable[..., ConfigDict]
FIGURES = ("bland_altman", "curves", "pictures", "precision_recall", "radius")


@pytest.fixture
def run(detector_run: Path) -> Path:
    return detector_run


def results_of(workdir: Path) -> dict[str, Any]:
    return json.loads((workdir / "results.json").read_text(encoding="utf-8"))


def test_a_run_leaves_what_a_classifiers_leaves(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names >= {"checkpoints", "tensorboard", "metrics.jsonl", "model_card.md", "report.html"}
    assert names >= {"detections.npz", "validation_detections.npz", "dataset_card.md"}
    assert {path.stem for path in (run / "figures").glob("*.svg")} == set(FIGURES)
    results = results_of(run)
    assert results["task"] == "detection"
    assert results["classes"] == ["RBC", "WBC", "Platelets"]
    assert results["test"]["per_kind"]["WBC"]["support"] == 32
    losses = [epoch["train"]["quality_focal"] for epoch in results["epochs"]]
    assert losses[1] < losses[0]
    assert {"f1_RBC", "count_mae_WBC", "quality_focal"} <= results["epochs"][0]["validation"].keys()


def test_the_figures_are_those_of_the_seeds_that_are_written_down(run: Path) -> None:
    results, found = results_of(run), np.load(run / "detections.npz", allow_pickle=False)
    for index, kind in enumerate(results["classes"]):
        used = (found["seed_kinds"] == index) & (found["seed_scores"] >= np.float32(0.06))
        assert results["test"]["per_kind"][kind]["found"] == used.sum()
        support = results["test"]["per_kind"][kind]["support"]
        assert support == (found["cell_kinds"] == index).sum()
        counts = np.bincount(found["seed_picture"][used], minlength=32)
        assert results["test"]["counts"][kind]["found"] == counts.tolist()


def test_the_page_holds_every_figure_and_no_request_leaves_it(run: Path) -> None:
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    assert page.unclosed == []
    assert len(page.all("img")) == len(FIGURES)
    assert all(image["src"].startswith("data:") and image["alt"] for image in page.all("img"))
    assert {link["href"][0] for link in page.all("a")} == {"#"}
    assert "Research use only, not for diagnosis." in page.text
    assert "Synthetic drawings, not cells" in page.text
    (table,) = (rows for title, rows in page.tables.items() if "cells and smears per" in title)
    # Eight smears, four copies of each; a picture holds cells of all three kinds.
    assert table[1] == ["cells", "smears"] * 3
    assert table[-1][-2:] == ["32", "8"]
    (table,) = (rows for title, rows in page.tables.items() if title.startswith("Every figure"))
    assert [row[0] for row in table[2:4]] == ["F1", "Precision"]
    f1 = results_of(run)["test"]["per_kind"]["WBC"]["f1"]
    assert table[2][3] == f"{100 * f1:.1f} %"


def test_what_the_terminal_says(run: Path) -> None:
    results = results_of(run)
    text = run_summary(results, run)
    assert text == detector_summary(results, run)
    assert all(f"  {name} " in text for _, name, _ in summary.FIGURES)  # not run into what follows
    for kind, figures in results["test"]["per_kind"].items():
        assert f"{kind} {percent(figures['f1'], 2):>7}" in text
    # Where nothing was found there is no precision.
    results["test"]["per_kind"]["WBC"]["precision"] = None
    assert f"WBC {NO_VALUE:>7}" in detector_summary(results, run)
    assert "! Synthetic drawings" in text


def test_a_threshold_below_those_of_the_sweep_is_the_one_applied(
    run: Path, cache_dir: Path, tmp_path: Path
) -> None:
    lower = Path(shutil.copytree(run, tmp_path / "lower"))
    config = json.loads((lower / "config.json").read_text(encoding="utf-8"))
    config["detection"]["thresholds"] = [0.02, 0.02, 0.02]
    (lower / "config.json").write_text(json.dumps(config), encoding="utf-8")
    evaluate(lower, Places(None, cache_dir))
    test = results_of(lower)["test"]
    for kind, figures in test["per_kind"].items():
        assert figures["f1"] == pytest.approx(test[f"f1_{kind}"])
    seeds = read_detections(lower / "detections.npz").seeds
    assert min(one.scores.min() for one in seeds if len(one.scores)) < 0.05


def test_evaluating_again_gives_the_same_results(run: Path, cache_dir: Path) -> None:
    before = results_of(run)
    (run / "results.json").write_text("{}", encoding="utf-8")
    evaluate(run, Places(None, cache_dir))
    assert results_of(run) == before


def test_interrupted_in_an_epoch_it_ends_with_the_same_bits(
    run: Path, tiny_config: TinyConfig, cache_dir: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    from wbc_jax.training import loop

    changes = {
        "data.validation_share": 0.25,
        "detection.thresholds": (0.06, 0.06, 0.06),
        "checkpoint.every_steps": 2,
    }
    config, workdir = tiny_config("detector", changes=changes), tmp_path / "r"

    class KilledError(Exception):
        pass

    def save(self: Any, step: int, *args: Any, **kwargs: Any) -> None:
        real(self, step, *args, **kwargs)
        if step == 4:
            raise KilledError

    real = loop.Loop._save
    with monkeypatch.context() as patch:
        patch.setattr(loop.Loop, "_save", save)
        with pytest.raises(KilledError):
            train(config, Places(None, cache_dir), workdir=workdir)
    train(config, Places(None, cache_dir), workdir=workdir)
    whole, resumed = results_of(run), results_of(workdir)
    assert resumed["test"] == whole["test"]
    ends = [epoch["train"] for epoch in resumed["epochs"]]
    assert ends == [epoch["train"] for epoch in whole["epochs"]]


def test_a_loaded_detector_answers_as_the_evaluation_did(run: Path, cache_dir: Path) -> None:
    from wbc_jax.data.annotated import PictureSettings
    from wbc_jax.data.load import load_pictures
    from wbc_jax.data.protocols import Draw

    data = load_pictures("smoke", PictureSettings(48, 64), Places(None, cache_dir), draw=Draw(0))
    detect = load_detector(run)
    found = np.load(run / "detections.npz", allow_pickle=False)
    used = found["seed_scores"] >= np.float32(0.06)
    for index in (0, 7):
        seeds = detect(data.partition.test.image[index])
        mine = used & (found["seed_picture"] == index)
        np.testing.assert_allclose(seeds.rows, found["seed_rows"][mine], atol=1e-2)
        np.testing.assert_allclose(seeds.scores, found["seed_scores"][mine], atol=1e-4)
    large = detect(data.partition.test.image[0].repeat(3, axis=0).repeat(3, axis=1))
    small = detect(data.partition.test.image[0])
    np.testing.assert_allclose(large.columns, small.columns * 3 + 1, atol=1e-2)


def test_each_kind_of_run_is_refused_where_the_other_is_meant(
    run: Path, finished_run: Path, cache_dir: Path
) -> None:
    with pytest.raises(UserError, match="is a run of the task 'detection' and this needs"):
        read_run(run)
    with pytest.raises(UserError, match="is a run of the task 'classification' and this needs"):
        load_detector(finished_run)
    assert read_detector_run(run).results["task"] == "detection"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.loss": "binary_cross_entropy"}, "train.loss='binary_cross_entropy' is not known"),
        ({"model.name": "cnn"}, "model.name='cnn' is not known; choose one of detector"),
        ({"detection.thresholds": (0.5, 0.5, 0.0)}, "detection.thresholds"),
        ({"detection.thresholds": ("a", 0.5, 0.5)}, "one number for each of RBC, WBC, Platelets"),
        ({"detection.thresholds": (0.5, 0.5, 1.5)}, "above 0 and below 1"),
        ({"detection.apart": (1.0, 0.0, 1.0)}, "above 0 and below 1000"),
        ({"detection.apart": (2.0, 6.0)}, "one number for each of RBC, WBC, Platelets"),
        ({"detection.spread": 0.0}, "detection.spread=0.0 must be above 0"),
        ({"detection.spread": float("nan")}, "detection.spread=nan must be above 0"),
        ({"data.picture_size": (0, 64)}, "data.picture_size"),
        ({"data.picture_size": (64,)}, r"data.picture_size=\(64,\) must be rows and columns"),
        ({"data.picture_size": (48.0, 64)}, "whole numbers"),
        ({"data.picture_size": (50, 64)}, "both sides must be multiples of 4"),
        ({"data.protocol": "paper"}, "blood_cells has no boxes of cells"),
    ],
)
def test_what_cannot_work_is_refused(
    changes: dict, message: str, tiny_config: TinyConfig, cache_dir: Path, tmp_path: Path
) -> None:
    config = tiny_config("detector", changes=changes)
    with pytest.raises(UserError, match=message):
        train(config, Places(None, cache_dir), workdir=tmp_path / "r")


def test_a_picture_without_red_cells_teaches_nothing_of_them() -> None:
    cells = np.zeros((2, 2, 5), np.float32)
    cells[..., 4] = [[1, 0], [1, NO_CELL]]
    assert known_kinds(jnp.asarray(cells)).tolist() == [[True] * 3, [False, True, True]]


def test_the_pure_step_feeds_moved_cells(tiny_config: TinyConfig, cache_dir: Path) -> None:
    """The target's hills lie where the picture's own colours say: on the white cell's stain."""
    from wbc_jax.training.experiment import build_experiment

    changes = {
        "data.picture_size": (120, 160),
        "augment.rotation": 180.0,
        "augment.scale": 0.1,
        "augment.flip": True,
        "augment.crop_margin": 20,
    }
    config = tiny_config("detector", changes=changes)
    experiment = build_experiment(config, Places(None, cache_dir))
    task, part = experiment.task, experiment.data.partition.train
    batch = {name: jnp.asarray(v[:8]) for name, v in task.on_devices(part).items()}
    keys = {name: jax.random.key(3) for name in ("augment", "dropout")}
    fed = task.feed(experiment.initial_state(), batch, keys)
    assert fed.target.maps.shape == (8, 30, 40, 3)
    maps = np.asarray(fed.target.maps[..., 1])
    for image, white in zip(np.asarray(fed.image), maps, strict=True):
        if white.max() < 1:
            continue  # moved out of the picture
        green = image[..., 1].reshape(30, 4, 40, 4).mean(axis=(1, 3))
        assert green[white > 0.5].mean() < np.median(green[white < 0.01]) - 0.5
