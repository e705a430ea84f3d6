"""The figures of a run, and the files that hold them."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.special

from wbc_jax.data.examples import Examples
from wbc_jax.evaluation.metrics import METRICS
from wbc_jax.evaluation.results import (
    mean_metrics,
    metrics_of_examples,
    softmax,
    write_predictions,
    write_results,
    write_smear_predictions,
)
from wbc_jax.evaluation.smears import group_by_smear

# Twice right, once wrong; the last is right without any output above 0.5.
LOGITS = np.log(
    np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7], [0.4, 0.2, 0.2, 0.2]], np.float32)
)
LABELS = np.array([0, 2, 0], np.int32)
CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")


def test_metrics_are_means_over_the_examples() -> None:
    metrics = mean_metrics(LOGITS, LABELS)
    assert tuple(metrics) == METRICS
    assert {type(value) for value in metrics.values()} == {float}
    p = np.exp(LOGITS.astype(np.float64))
    y = np.eye(4)[LABELS]
    binary = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert metrics["binary_cross_entropy"] == pytest.approx(binary, rel=1e-5)
    expected = -np.log([0.7, 0.1, 0.4]).mean()
    assert metrics["softmax_cross_entropy"] == pytest.approx(expected, rel=1e-5)
    assert metrics["categorical_accuracy"] == pytest.approx(2 / 3)
    assert metrics["binary_accuracy"] == pytest.approx((1 + 0.5 + 0.75) / 3)


def test_metrics_of_examples_have_the_mean_metrics_as_means() -> None:
    values = metrics_of_examples(LOGITS, LABELS)
    assert {array.dtype for array in values.values()} == {np.dtype("float64")}
    means = {name: array.mean() for name, array in values.items()}
    assert mean_metrics(LOGITS, LABELS) == pytest.approx(means)


def test_softmax_is_that_of_scipy() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 4), scale=30).astype(np.float32)
    probabilities = softmax(logits)
    assert isinstance(probabilities, np.ndarray)
    np.testing.assert_allclose(probabilities, scipy.special.softmax(logits, -1), atol=1e-6)


def test_predictions_are_written_in_the_examples_order(tmp_path: Path) -> None:
    names = np.array(["TEST/MONOCYTE/é_2.jpeg", "TEST/EOSINOPHIL/_1.jpeg", "TEST/a.jpeg"])
    sources = np.array(["x", "y", "x"])
    examples = Examples(np.zeros((3, 2, 2, 1), np.uint8), LABELS, names, sources, sources)
    write_predictions(tmp_path / "run", examples, softmax(LOGITS).astype(np.float64))
    with np.load(tmp_path / "run" / "predictions.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["filename", "label", "probabilities", "source"]
        assert arrays["filename"].tolist() == names.tolist()
        assert arrays["source"].tolist() == ["x", "y", "x"]
        assert arrays["label"].tolist() == [0, 2, 0]
        assert arrays["probabilities"].dtype == np.float32
        np.testing.assert_allclose(arrays["probabilities"], np.exp(LOGITS), rtol=1e-5)


def test_smears_predictions_are_written_with_their_number_of_images(tmp_path: Path) -> None:
    smears = group_by_smear(
        np.array(["x", "y", "x"]), np.array([0, 2, 0]), np.array(["1.png", "2.png", "3.png"])
    )
    write_smear_predictions(tmp_path, smears, np.exp(LOGITS[:2]))
    with np.load(tmp_path / "smear_predictions.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["label", "num_images", "probabilities", "source"]
        assert arrays["source"].tolist() == ["x", "y"]
        assert arrays["num_images"].tolist() == [2, 1]


def test_results_are_json_that_any_parser_reads(tmp_path: Path) -> None:
    write_results(tmp_path, {"test": mean_metrics(LOGITS, LABELS), "nan": np.nan})
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    results = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert results["test"]["categorical_accuracy"] == pytest.approx(2 / 3)
    assert results["nan"] is None
