"""Run directories made on the fly, as the trainer writes them, with numbers that fit each other."""

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from wbc_jax.data.examples import Examples
from wbc_jax.data.protocols import Partition
from wbc_jax.evaluation.results import (
    PartLogits,
    write_predictions,
    write_results,
    write_smear_predictions,
)
from wbc_jax.evaluation.scores import Scores, score
from wbc_jax.reporting import run_page
from wbc_jax.reporting.figure_files import SavedFigure
from wbc_jax.reporting.report import write_report
from wbc_jax.reporting.run_files import read_run

CLASSES = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
MakeRun = Callable[..., Path]


def fake_epochs(
    num_epochs: int, shift: float = 0.0, *, validated: bool = False
) -> list[dict[str, Any]]:
    """Epoch e of E: every metric is a different, easily told number that improves with e."""
    epochs = []
    for epoch in range(1, num_epochs + 1):
        test = {
            "binary_cross_entropy": 0.5 / epoch + shift,
            "softmax_cross_entropy": 1.2 / epoch + shift,
            "categorical_accuracy": 0.9 - 0.5 / epoch - shift,
            "binary_accuracy": 0.95 - 0.2 / epoch - shift,
        }
        train = {key: value - 0.03 for key, value in test.items()}
        record = {"epoch": epoch, "seconds": 3.25, "train": train, "test": test}
        if validated:
            record["validation"] = {key: value - 0.01 for key, value in test.items()}
        epochs.append(record)
    return epochs


def fake_examples(num_examples: int, num_classes: int, prefix: str = "TEST") -> Examples:
    """Classes in turn, and five smears of each; image i is a copy of the smear i modulo these."""
    index = np.arange(num_examples)
    smears = np.array([f"{prefix}_smear_{smear:02d}" for smear in index % (5 * num_classes)])
    return Examples(
        image=np.zeros((num_examples, 1, 1, 1), np.uint8),
        label=(index % num_classes).astype(np.int32),
        filename=np.array([f"{prefix}/{place:04d}.jpeg" for place in index]),
        source=smears,
        scene=smears,
    )


def fake_logits(labels: np.ndarray, num_classes: int, seed: int) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=(labels.size, num_classes))
    scores[np.arange(labels.size), labels] += 2.2
    return scores.astype(np.float32)


@cache
def fake_scores(
    num_test: int, classes: tuple[str, ...], seed: int, prefix: str, *, validated: bool
) -> Scores:
    test = fake_examples(num_test, len(classes), prefix)
    validation = fake_examples(20 if validated else 0, len(classes), prefix="TRAIN")
    logits = PartLogits(
        fake_logits(validation.label, len(classes), seed + 1),
        fake_logits(test.label, len(classes), seed),
    )
    return score(logits, Partition(validation, validation, test), classes)


def write_run(
    path: Path,
    *,
    model: str = "cnn",
    num_epochs: int = 5,
    seed: int = 0,
    classes: tuple[str, ...] = CLASSES,
    num_test: int = 40,
    dataset: str = "blood_cells",
    protocol: str = "paper",
    digest: str = "f00d",
    warnings: tuple[str, ...] = (),
    shift: float = 0.0,
    fold: int = 0,
    is_leaky: bool = False,
    validated: bool = False,
    prefix: str = "TEST",
) -> Path:
    """Writes a finished run directory and returns its path."""
    path.mkdir(parents=True)
    test = fake_examples(num_test, len(classes), prefix)
    scores = fake_scores(num_test, classes, seed, prefix, validated=validated)
    figures = copy.deepcopy(scores.figures)
    epochs = fake_epochs(num_epochs, shift, validated=validated)
    # Numbers that no other figure of the run has.
    figures["test"] |= {**epochs[-1]["test"], "macro_f1": 0.7123, "balanced_accuracy": 0.7345}
    for index, row in enumerate(figures["test"]["per_class"].values()):
        row |= {"precision": 0.61 + 0.01 * index, "f1": 0.81 + 0.01 * index}
    num_validation = 20 if validated else 0
    results = {
        "model": model,
        "dataset": dataset,
        "protocol": protocol,
        "is_leaky": is_leaky,
        "warnings": list(warnings),
        "seed": seed,
        "num_train": 1987,
        "num_validation": num_validation,
        "num_test": num_test,
        "classes": list(classes),
        "epochs": epochs,
        **figures,
        "num_params": 1234567,
        "wall_seconds": 200.0,
        "images_per_second": 611.4,
    }
    counts = {
        name: int(count)
        for name, count in zip(
            classes, np.bincount(test.label, minlength=len(classes)), strict=True
        )
    }
    data = {
        "dataset": dataset,
        "title": "Augmented copies of real smears",
        "version": "1.0.0",
        "protocol": protocol,
        "protocol_description": "500 images drawn at random are the test set.",
        "splits": {"TEST": {"num_examples": 2487, "digest": digest}},
        "num_train": 1987,
        "num_validation": num_validation,
        "num_test": num_test,
        "classes": list(classes),
        "train_class_counts": {name: 500 + index for index, name in enumerate(classes)},
        "validation_class_counts": dict.fromkeys(classes, num_validation // len(classes)),
        "test_class_counts": counts,
        "smears": {
            "train": {name: 20 + index for index, name in enumerate(classes)},
            "validation": dict.fromkeys(classes, num_validation // len(classes)),
            "test": figures["test"]["num_smears_per_class"],
        },
        "counted": "images",
        "all_smears": {"train": sum(range(20, 20 + len(classes)))}
        | {"validation": num_validation, "test": figures["test"]["num_smears"]},
        "num_smears_on_two_sides": 0,
        "num_unresolved": 0,
        "is_leaky": is_leaky,
        "warnings": list(warnings),
    }
    config = {
        "model": {"name": model, "conv_features": [32, 64]},
        "data": {"protocol": protocol, "fold": fold},
        "train": {"num_epochs": num_epochs, "batch_size": 32, "steps_per_call": 10},
        "mesh": {"num_devices": 0},
        "seed": seed,
    }
    environment = {
        "wbc_jax": "0.1.0",
        "devices": ["cpu:0", "cpu:1"],
        "command": ["python", "launch.py", "--config=configs/cnn.py:paper", "--note=two words"],
    }
    files = {"dataset": data, "config": config, "environment": environment}
    for stem, content in files.items():
        (path / f"{stem}.json").write_text(json.dumps(content), encoding="utf-8")
    (path / "metrics.jsonl").write_text("\n".join(map(json.dumps, epochs)), encoding="utf-8")
    write_predictions(path, test, scores.probabilities)
    write_smear_predictions(path, scores.smears, scores.smear_probabilities)
    write_results(path, results)
    return path


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A function that writes a run directory of the given name into the test's own folder."""

    def make(name: str = "run", **settings: Any) -> Path:
        return write_run(tmp_path / name, **settings)

    return make


@pytest.fixture(scope="module")
def reported_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two warnings and its report; only to be read."""
    path = tmp_path_factory.mktemp("reported") / "run"
    write_run(path, warnings=("Smears leak.", "Second warning."))
    write_report(read_run(path), gray_images())
    return path


@pytest.fixture
def edit_json() -> Callable[[Path, Callable[[dict[str, Any]], object]], None]:
    """A function that changes a JSON file in place."""

    def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return edit


def gray_images() -> np.ndarray:
    """40 gray test images of 50x50, each of one brightness: image i is 6 i."""
    levels = (6 * np.arange(40)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (40, 50, 50, 1)).copy()


@pytest.fixture
def images() -> np.ndarray:
    """Test images for a run of the default size."""
    return gray_images()


@pytest.fixture
def unsaved_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws the figures of a report but writes none, which takes most of its time."""

    def no_files(figure: Figure, folder: Path, name: str, *, alt: str) -> SavedFigure:
        return SavedFigure(alt=alt, svg=b"<svg/>", png=b"")

    monkeypatch.setattr(run_page, "save_figure", no_files)
