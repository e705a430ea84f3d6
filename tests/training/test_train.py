"""Runs from config to report."""

import json
import logging
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.run_differences import read_leaves
from tests.datasets.lisc_tree import write_lisc_tree
from tests.datasets.own_tree import write_own_tree
from wbc_jax.atomic_files import to_json
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.training import train as train_module
from wbc_jax.training.train import train

EPOCH_METRICS = {
    "binary_cross_entropy",
    "softmax_cross_entropy",
    "categorical_accuracy",
    "binary_accuracy",
}
FILES = (
    "config.json",
    "environment.json",
    "dataset.json",
    "metrics.jsonl",
    "results.json",
    "predictions.npz",
    "report.html",
    "figures",
    "tensorboard",
    "checkpoints",
)


def read_results(workdir: Path) -> dict[str, Any]:
    return json.loads((workdir / "results.json").read_text(encoding="utf-8"))


def require_complete_and_consistent(workdir: Path) -> dict[str, Any]:
    """Recomputes from predictions.npz what results.json says of the test."""
    for name in FILES:
        path = workdir / name
        assert path.exists(), name
        assert any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0, name
    results = read_results(workdir)
    lines = (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == results["epochs"]
    assert [epoch["epoch"] for epoch in results["epochs"]] == list(range(1, len(lines) + 1))
    for epoch in results["epochs"]:
        assert set(epoch["train"]) == set(epoch["test"]) == EPOCH_METRICS

    with np.load(workdir / "predictions.npz") as arrays:
        filename, label, probabilities = (
            arrays[name] for name in ("filename", "label", "probabilities")
        )
    test, num_classes = results["test"], len(results["classes"])
    assert label.shape == filename.shape == (results["num_test"],)
    assert len(set(filename)) == results["num_test"]
    assert probabilities.shape == (results["num_test"], num_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    answer = probabilities.argmax(axis=1)
    truth = np.eye(num_classes, dtype=bool)[label]
    assert test["categorical_accuracy"] == pytest.approx((answer == label).mean())
    assert test["binary_accuracy"] == pytest.approx(((probabilities > 0.5) == truth).mean())
    p = np.where(truth, probabilities, 1 - probabilities).astype(np.float64)
    assert test["binary_cross_entropy"] == pytest.approx(-np.log(p).mean(), rel=1e-3)
    matrix = np.zeros((num_classes, num_classes), int)
    np.add.at(matrix, (label, answer), 1)
    assert test["confusion_matrix"] == matrix.tolist()
    support = {name: test["per_class"][name]["support"] for name in results["classes"]}
    assert list(support.values()) == matrix.sum(axis=1).tolist()
    # The last epoch's test is the final one: the same weights, the same images.
    for metric in EPOCH_METRICS:
        assert test[metric] == pytest.approx(results["epochs"][-1]["test"][metric], rel=1e-6)
    assert 0 <= test["macro_f1"] <= 1
    assert results["wall_seconds"] >= sum(epoch["seconds"] for epoch in results["epochs"]) > 0
    assert results["images_per_second"] > 0

    dataset = json.loads((workdir / "dataset.json").read_text(encoding="utf-8"))
    for part in ("train", "test"):
        assert sum(dataset[f"{part}_class_counts"].values()) == results[f"num_{part}"]
    assert dataset["warnings"] == results["warnings"]
    for warning in results["warnings"]:
        assert warning in (workdir / "report.html").read_text(encoding="utf-8")
    return results


def test_the_cnn_leaves_every_file_and_its_figures_agree(finished_run: Path) -> None:
    results = require_complete_and_consistent(finished_run)
    assert (results["model"], results["dataset"]) == ("cnn", "synthetic_smears/smoke")
    assert (results["protocol"], results["seed"]) == ("smoke", 0)
    assert (results["num_train"], results["num_test"]) == (96, 32)
    assert len(results["epochs"]) == 2
    assert "not cells" in results["warnings"][0]


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize("name", ["alexnet", "resnet50", "vgg19"])
def test_the_other_networks_leave_every_file_and_their_figures_agree(
    name: str, tiny_config: Any, cache_dir: Path, tmp_path: Path
) -> None:
    results = train(tiny_config(name), Places(None, cache_dir), workdir=tmp_path / "r")
    assert json.loads(to_json(results)) == require_complete_and_consistent(tmp_path / "r")
    assert results["model"] == name


def test_the_number_of_parameters_is_that_of_the_saved_weights(finished_run: Path) -> None:
    params = {k: v for k, v in read_leaves(finished_run).items() if k.startswith("state/params/")}
    assert read_results(finished_run)["num_params"] == sum(leaf.size for leaf in params.values())


def test_another_process_gives_bit_identical_weights_and_predictions(
    finished_run: Path, cache_dir: Path, tmp_path: Path, checkout: Any
) -> None:
    """Compiled anew, with another salt of Python's hashes: nothing is shared but the config."""
    script = (
        "import sys; from pathlib import Path\n"
        "from wbc_jax.datasets.places import Places\n"
        "from wbc_jax.evaluation import evaluate\n"
        "from wbc_jax.training.run_directory import RunDirectory\n"
        "from wbc_jax.training.train import train\n"
        "evaluate.write_report = lambda run, images: run.path\n"
        "first, second, cache = map(Path, sys.argv[1:])\n"
        "config = RunDirectory(first).load_config()\n"
        "train(config, Places(None, cache), workdir=second)\n"
    )
    second = tmp_path / "second"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    subprocess.run(
        [sys.executable, "-c", script, str(finished_run), str(second), str(cache_dir)],
        cwd=checkout.root,
        env=environment | {"PYTHONHASHSEED": "7"},
        check=True,
        timeout=300,
    )
    assert (second / "predictions.npz").read_bytes() == (
        finished_run / "predictions.npz"
    ).read_bytes()
    first_leaves, second_leaves = read_leaves(finished_run), read_leaves(second)
    assert first_leaves.keys() == second_leaves.keys()
    for name, leaf in first_leaves.items():
        assert leaf.tobytes() == second_leaves[name].tobytes(), name


@pytest.mark.usefixtures("no_report")
def test_another_seed_gives_other_weights(
    finished_run: Path, tiny_config: Any, cache_dir: Path, tmp_path: Path
) -> None:
    config = tiny_config(changes={"seed": 1})
    results = train(config, Places(None, cache_dir), workdir=tmp_path / "r")
    assert results["epochs"][0]["train"] != read_results(finished_run)["epochs"][0]["train"]
    assert (tmp_path / "r" / "predictions.npz").read_bytes() != (
        finished_run / "predictions.npz"
    ).read_bytes()


@pytest.mark.usefixtures("no_report", "quick_compilation")
def test_smears_held_out_of_training_are_measured_every_epoch(
    tiny_config: Any, cache_dir: Path, tmp_path: Path
) -> None:
    config = tiny_config(changes={"data.validation_share": 0.34})
    train(config, Places(None, cache_dir), workdir=tmp_path / "r")
    dataset = json.loads((tmp_path / "r" / "dataset.json").read_text(encoding="utf-8"))
    # Two of the six smears of every class, with their four copies each.
    assert set(dataset["smears"]["validation"].values()) == {2}
    assert (dataset["num_train"], dataset["num_validation"]) == (64, 32)
    assert dataset["num_smears_on_two_sides"] == 0
    lines = (tmp_path / "r" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    for epoch in map(json.loads, lines):
        assert set(epoch["validation"]) == EPOCH_METRICS
        assert epoch["validation"] != epoch["test"]


@pytest.mark.usefixtures("quick_compilation")
def test_a_loss_that_is_no_number_stops_the_run_with_a_remedy(
    tiny_config: Any, cache_dir: Path, tmp_path: Path
) -> None:
    config = tiny_config(changes={"optim.learning_rate": 3e38})
    with pytest.raises(
        UserError, match=r"in step 2 \(epoch 1\).*Lower optim\.learning_rate=3e\+38"
    ):
        train(config, Places(None, cache_dir), workdir=tmp_path / "r")
    assert not (tmp_path / "r" / "results.json").exists()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("train.batch_size", 97, r"train\.batch_size=97 is larger than the training set of 96"),
        ("train.batch_size", 0, r"train\.batch_size=0 must be at least 1"),
        ("eval.batch_size", -1, r"eval\.batch_size=-1 must be at least 1"),
        ("data.bands", "x", r"data\.bands='x' is not known; choose one of nonlinear, repeat, rgb"),
        ("data.protocol", "x", r"protocol 'x' is not known; there are: .*paper"),
        ("data.num_classes", 1, r"data\.num_classes=1 must lie between 2 and 4"),
        ("data.num_classes", 5, r"data\.num_classes=5 must lie between 2 and 4"),
        ("data.image_size", -1, r"data\.image_size=-1 must be at least 1"),
        ("data.first_size", -1, r"data\.first_size=-1 at least 0"),
        ("data.view", "x", r"data\.view='x' must be one of whole, white_cell"),
        (
            "data.balance",
            "x",
            r"data\.balance='x' is not known; choose one of none, classes, smears",
        ),
        ("data.fold", 1, r"data\.fold=1 must lie in \[0, 1\): smoke has 1 fold"),
        ("data.validation_share", 1.0, r"data\.validation_share=1\.0 must lie in \[0, 1\)"),
        ("augment.crop_margin", -1, r"augment\.crop_margin=-1 must lie between 0"),
        ("augment.rotation", 181.0, r"augment\.rotation=181\.0 must lie between 0 \(off\) and 180"),
        ("train.label_smoothing", 1.0, r"train\.label_smoothing=1\.0 must lie in \[0, 1\)"),
        ("train.mixup", -0.1, r"train\.mixup=-0\.1 must be at least 0"),
        ("train.mixup", math.nan, r"train\.mixup=nan must be at least 0"),
        ("train.average_decay", 1.0, r"train\.average_decay=1\.0 must lie in \[0, 1\)"),
        ("train.loss", "x", r"train\.loss='x' is not known; choose one of binary_cross_entropy"),
        ("train.num_epochs", 0, r"train\.num_epochs=0 must be at least 1"),
        ("train.steps_per_call", 0, r"train\.steps_per_call=0 must be at least 1"),
        ("optim.name", "x", r"optim\.name='x' is not known; choose one of adam, sgd"),
        ("optim.schedule", "x", r"optim\.schedule='x' is not known; choose one of constant"),
        ("optim.momentum", 1.0, r"optim\.momentum=1\.0 must lie in \[0, 1\)"),
        (
            "optim.warmup_epochs",
            2.0,
            r"optim\.warmup_epochs=2\.0 must be .* shorter than train\.num_epochs=2",
        ),
        ("optim.warmup_epochs", float("nan"), r"optim\.warmup_epochs=nan must be at least 0"),
        ("model.name", "x", r"model\.name='x' is not known; choose one of cnn, alexnet"),
        ("model.dtype", "float16", r"model\.dtype='float16' is not known; choose one of float32"),
        ("mesh.num_devices", 999, r"mesh\.num_devices=999 must lie between 0 \(all\) and"),
        ("mesh.num_devices", -1, r"mesh\.num_devices=-1 must lie between 0 \(all\) and"),
        ("checkpoint.every_epochs", 0, r"checkpoint\.every_epochs=0 must be at least 1"),
        ("checkpoint.num_best", -1, r"checkpoint\.num_best=-1 must be at least 0"),
        ("seed", -1, r"seed=-1 must lie in \[0, 2\^32\)"),
        ("seed", 2**32, r"seed=4294967296 must lie in"),
        ("optim.learning_rate", math.inf, r"optim\.learning_rate=inf must be above 0 and finite"),
        ("optim.learning_rate", 1e39, r"learning_rate=1e\+39 must be .* finite in 32 bits"),
        ("augment.crop_margin", 16, r"crop_margin=16 must be below 16: .* 16x16 pixels"),
        ("optim.learning_rate", -0.1, r"optim\.learning_rate=-0\.1 must be above 0"),
        ("model.norm", "x", r"norm='x' is not known; choose one of batch"),
        ("model.conv_features", ("8", "x"), r"conv_features=\('8', 'x'\) must consist of whole"),
        ("model.conv_features", (True, 8), r"conv_features=\(True, 8\) must consist of whole"),
        ("model.conv_features", (8, 0), r"conv_features=\(8, 0\) .* at least 1"),
        ("model.num_pools", -1, r"num_pools=-1 .* at least 0"),
        ("model.dropout_rate", 1.5, r"dropout_rate=1\.5 must lie in \[0, 1\)"),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_the_directory_is_made(
    field: str, value: Any, message: str, tiny_config: Any, cache_dir: Path, tmp_path: Path
) -> None:
    config = tiny_config(changes={field: value})
    with pytest.raises(UserError, match=message):
        train(config, Places(None, cache_dir), workdir=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_field_that_the_network_does_not_have_is_refused_by_name(
    tiny_config: Any, cache_dir: Path, tmp_path: Path
) -> None:
    config = tiny_config()
    config.model.num_heads = 2
    with pytest.raises(UserError, match=r"model of cnn has no field 'num_heads'; its fields are"):
        train(config, Places(None, cache_dir), workdir=tmp_path / "r")


@pytest.mark.parametrize("name", ["cnn", "detector"])
def test_a_networks_own_fields_are_refused_before_its_images_are_looked_for(
    name: str, tiny_config: Any, tmp_path: Path
) -> None:
    """Preparing a set takes minutes; its images are not even there, and nothing says so."""
    preset = {"cnn": "paper", "detector": "bccd"}[name]
    config = tiny_config(name, preset=preset)
    config.model.num_heads = 2
    with pytest.raises(UserError, match=rf"model of {name} has no field 'num_heads'"):
        train(config, Places(None, tmp_path / "cache"), workdir=tmp_path / "r")


def test_a_cache_that_cannot_be_written_is_named(tiny_config: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"cache_dir: .*cannot be written.*--cache_dir"):
        train(tiny_config(), Places(None, tmp_path / "file" / "cache"), workdir=tmp_path / "r")


@pytest.fixture(scope="module")
def lisc_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lisc")
    write_lisc_tree(root, per_class=4, mixt=1)
    return root


@pytest.mark.usefixtures("no_report", "quick_compilation")
@pytest.mark.parametrize("num_classes", [5, 4])
def test_lisc_trains_with_and_without_basophils(
    num_classes: int, lisc_tree: Path, tiny_config: Any, cache_dir: Path, tmp_path: Path
) -> None:
    config = tiny_config(
        preset="lisc",
        changes={
            "data.num_classes": num_classes,
            "train.batch_size": 4,
            "train.num_epochs": 1,
            "data.bands": "rgb",
            "data.view": "white_cell",
            "augment.stain": 0.1,
            "eval.test_time_flips": True,
        },
    )
    results = train(config, Places(lisc_tree, cache_dir), workdir=tmp_path / "r")
    assert results["dataset"] == "lisc"
    assert ("basophil" in results["classes"]) == (num_classes == 5)
    # A fifth of the four images of a class, at least one; the mixed cell has no class.
    assert (results["num_train"], results["num_test"]) == (3 * num_classes, num_classes)
    matrix = np.array(results["test"]["confusion_matrix"])
    assert matrix.shape == (num_classes, num_classes)
    assert matrix.sum(axis=1).tolist() == [1] * num_classes


@pytest.mark.usefixtures("quick_compilation")
def test_own_pictures_train_and_a_changed_folder_is_not_gone_on_with(
    tiny_config: Any, tmp_path: Path
) -> None:
    """With all that is written, and slides that have cells of every class."""
    changes = {"data.num_classes": 5, "train.batch_size": 4, "train.num_epochs": 1}
    config = tiny_config(preset="own", changes={**changes, "data.validation_share": 0.25})
    cells, run = write_own_tree(tmp_path / "cells"), tmp_path / "r"
    train(config, Places(cells, tmp_path / "cache"), workdir=run)
    results = require_complete_and_consistent(run)
    assert [results[f"num_{part}"] for part in ("train", "validation", "test")] == [30, 10, 10]
    assert results["warnings"][0].startswith("Pictures that share a folder")
    assert "folders by class" in (run / "dataset_card.md").read_text()
    shutil.copy(next((cells / "basophil" / "slide-0").iterdir()), cells / "basophil" / "new.png")
    with pytest.raises(UserError, match="was started on other images: "):
        train(config, Places(cells, tmp_path / "cache"), workdir=run)


@pytest.mark.usefixtures("quick_compilation")
def test_the_papers_protocol_on_real_images_warns_of_its_leak_everywhere(
    real_data: Path,
    tiny_config: Any,
    cache_dir: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = tiny_config(
        preset="paper",
        changes={
            "train.num_epochs": 1,
            "model.conv_features": (4,),
            "model.num_pools": 1,
            "model.dense_features": (8,),
        },
    )
    with caplog.at_level(logging.WARNING, logger=train_module.__name__):
        train(config, Places(real_data, cache_dir), workdir=tmp_path / "r")
    results = require_complete_and_consistent(tmp_path / "r")
    assert (results["num_train"], results["num_test"]) == (1987, 500)
    assert results["warnings"][0].startswith("LEAKY PROTOCOL")
    assert "71 smears" in results["warnings"][0]
    assert any("LEAKY PROTOCOL" in record.message for record in caplog.records)
    with np.load(tmp_path / "r" / "predictions.npz") as arrays:
        names = {Path(name).name for name in arrays["filename"]}
    published = {path.name for path in (real_data / "blood_cells").rglob("*.jp*g")}
    assert names <= published
