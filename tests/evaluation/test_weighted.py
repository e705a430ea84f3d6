"""Figures by matrix algebra, against scikit-learn with the same weights of the examples."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from wbc_jax.evaluation.calibration import expected_calibration_error
from wbc_jax.evaluation.weighted import SmearPart, nan_mean, weighted_figures

NUM_CLASSES = 4
SMEARS = np.repeat(np.arange(NUM_CLASSES), (3, 2, 4, 6))  # class of each smear


def draw_part(seed: int = 0, **settings: Any) -> SmearPart:
    """80 images; their probabilities have ties, and their smears differ in size."""
    random = np.random.default_rng(seed)
    of_image = np.concatenate([np.arange(15), random.integers(0, 15, 65)])
    labels = SMEARS[of_image]
    scores = random.integers(0, 4, (80, NUM_CLASSES)).astype(float)
    scores[np.arange(80), labels] += 1.3
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return SmearPart(labels, probabilities, of_image, num_smears=15, **settings)


def weights() -> np.ndarray:
    """As they are; drawn anew; and with weights that are no counts."""
    random = np.random.default_rng(1)
    drawn = random.integers(0, 3, (1, 15)) + (np.arange(15) % 2)
    return np.concatenate([np.ones((1, 15)), drawn, random.random((1, 15))])


@pytest.mark.parametrize("row", [0, 1, 2])
def test_figures_are_those_of_scikit_learn(row: int) -> None:
    part = draw_part(values={"number": np.arange(80.0)})
    figures = {name: values[row] for name, values in weighted_figures(part, weights()).items()}
    each = weights()[row][part.of_image]
    answers, truth = part.probabilities.argmax(axis=1), np.eye(NUM_CLASSES)[part.labels]
    both: Any = (part.labels, answers)
    given: Any = {"sample_weight": each}
    by_class = metrics.precision_recall_fscore_support(*both, **given, zero_division=0)
    auroc = [
        metrics.roc_auc_score(part.labels == label, part.probabilities[:, label], **given)
        for label in range(NUM_CLASSES)
    ]
    expected = {
        "categorical_accuracy": metrics.accuracy_score(*both, **given),
        "balanced_accuracy": metrics.balanced_accuracy_score(*both, **given),
        "macro_f1": metrics.f1_score(*both, **given, average="macro"),
        "mcc": metrics.matthews_corrcoef(*both, **given),
        "precision": by_class[0],
        "recall": by_class[1],
        "f1": by_class[2],
        "auroc": auroc,
        "auroc_macro": np.mean(auroc),
        "brier": np.average(((part.probabilities - truth) ** 2).sum(axis=1), weights=each),
        "number": np.average(np.arange(80.0), weights=each),
    }
    assert set(figures) == set(expected) | {"ece"}
    for name, value in expected.items():
        np.testing.assert_allclose(figures[name], value, rtol=1e-9, err_msg=name)


def test_whole_weights_are_so_many_copies() -> None:
    part, drawn = draw_part(), weights()[1]
    rows = np.repeat(np.arange(80), drawn[part.of_image].astype(int))
    figures = weighted_figures(part, drawn[None])
    expected = expected_calibration_error(part.probabilities[rows], part.labels[rows])
    assert figures["ece"][0] == pytest.approx(expected)


def test_scaled_probabilities_have_their_own_calibration_error() -> None:
    part = draw_part(scaled=draw_part(seed=2).probabilities)
    figures = weighted_figures(part, np.ones((1, 15)))
    assert part.scaled is not None
    expected = expected_calibration_error(part.scaled, part.labels)
    assert figures["ece_scaled"][0] == pytest.approx(expected)
    assert figures["ece_scaled"][0] != figures["ece"][0]


def test_a_class_without_weight_is_left_out_of_macro_figures() -> None:
    part, none_of_1 = draw_part(), np.where(SMEARS == 1, 0.0, 1.0)
    figures = {name: row[0] for name, row in weighted_figures(part, none_of_1[None]).items()}
    for name in ("recall", "f1", "auroc"):
        assert np.flatnonzero(np.isnan(figures[name])).tolist() == [1], name
    assert not np.isnan(figures["precision"]).any()
    kept = part.labels != 1
    answers = part.probabilities.argmax(axis=1)[kept]
    with warnings.catch_warnings():  # scikit-learn remarks that class 1 is only predicted
        warnings.simplefilter("ignore")
        expected = metrics.balanced_accuracy_score(part.labels[kept], answers)
    assert figures["balanced_accuracy"] == pytest.approx(expected)
    f1 = metrics.f1_score(part.labels[kept], answers, labels=[0, 2, 3], average="macro")
    assert figures["macro_f1"] == pytest.approx(f1)


def test_one_answer_to_everything_has_no_correlation() -> None:
    probabilities = np.tile([0.7, 0.1, 0.1, 0.1], (4, 1))
    part = SmearPart(np.arange(4), probabilities, np.arange(4), num_smears=4)
    figures = weighted_figures(part, np.ones((1, 4)))
    assert figures["mcc"].tolist() == [0.0]
    assert figures["auroc"].tolist() == [[0.5] * 4]
    assert figures["precision"].tolist() == [[0.25, 0, 0, 0]]


def test_a_mean_of_nothing_is_not_defined() -> None:
    rows = nan_mean(np.array([[1.0, np.nan, 3.0], [np.nan] * 3]))
    np.testing.assert_array_equal(rows, [2.0, np.nan])
