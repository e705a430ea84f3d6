"""Both accuracies and the final figures, against examples worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.evaluation.metrics import (
    METRICS,
    binary_accuracy,
    categorical_accuracy,
    classification_summary,
    example_metrics,
    probability_summary,
)
from wbc_jax.training.losses import LOSSES


def test_an_untrained_model_scores_75_per_cent_binary() -> None:
    logits, labels = jnp.zeros((4, 4)), jnp.arange(4)
    np.testing.assert_array_equal(binary_accuracy(logits, labels), [0.75] * 4)
    assert float(categorical_accuracy(logits, labels).mean()) == 0.25


@pytest.mark.parametrize(
    ("probabilities", "label", "categorical", "binary"),
    [
        ([0.7, 0.1, 0.1, 0.1], 0, 1, 1.0),
        ([0.7, 0.1, 0.1, 0.1], 1, 0, 0.5),  # two outputs on the wrong side: said and unsaid
        ([0.4, 0.2, 0.2, 0.2], 0, 1, 0.75),  # right, but never above 0.5
        ([0.4, 0.2, 0.2, 0.2], 3, 0, 0.75),
        ([0.49, 0.2, 0.2, 0.11], 0, 1, 0.75),
        ([0.51, 0.2, 0.2, 0.09], 0, 1, 1.0),
        ([0.1, 0.2, 0.15, 0.55], 3, 1, 1.0),
    ],
)
def test_both_accuracies_of_one_image(
    probabilities: list[float], label: int, categorical: float, binary: float
) -> None:
    logits, labels = jnp.log(jnp.array([probabilities])) + 3.0, jnp.array([label])
    assert categorical_accuracy(logits, labels).tolist() == [categorical]
    assert binary_accuracy(logits, labels).tolist() == [binary]


def test_every_metric_of_every_example() -> None:
    random = np.random.default_rng(0)
    logits = jnp.asarray(random.normal(size=(3, 5, 4)), jnp.float32)
    labels = jnp.asarray(random.integers(0, 4, (3, 5)))
    metrics = jax.jit(example_metrics)(logits, labels)
    assert set(metrics) == set(METRICS) == {*LOSSES, "categorical_accuracy", "binary_accuracy"}
    assert {values.shape for values in metrics.values()} == {(3, 5)}
    assert {values.dtype for values in metrics.values()} == {jnp.dtype("float32")}
    for name, loss in LOSSES.items():
        np.testing.assert_allclose(metrics[name], jax.jit(loss)(logits, labels), rtol=1e-5)


CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE")


def test_the_summary_by_hand() -> None:
    labels, predictions = np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 1, 1, 0, 2, 1])
    summary = classification_summary(labels, predictions, CLASSES)
    assert summary["confusion_matrix"] == [[3, 1, 0], [1, 1, 0], [0, 1, 1]]
    rows = {"EOSINOPHIL": (3 / 4, 3 / 4, 4), "LYMPHOCYTE": (1 / 3, 1 / 2, 2)}
    rows["MONOCYTE"] = (1.0, 1 / 2, 2)
    assert tuple(summary["per_class"]) == CLASSES
    f1s = []
    for name, (precision, recall, support) in rows.items():
        f1s.append(2 * precision * recall / (precision + recall))
        expected = {"precision": precision, "recall": recall, "f1": f1s[-1], "support": support}
        assert summary["per_class"][name] == pytest.approx(expected)
    assert summary["macro_f1"] == pytest.approx(sum(f1s) / 3)
    assert summary["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2 + 1 / 2) / 3)
    # Gorodkin (2004) by hand: 5 hits of 8; rows 4, 2, 2; columns 4, 3, 1.
    covariance = 5 * 8 - (4 * 4 + 2 * 3 + 2 * 1)
    spread = (64 - 24) * (64 - 26)
    assert summary["mcc"] == pytest.approx(covariance / spread**0.5)


def test_a_class_that_is_never_predicted_has_precision_0() -> None:
    summary = classification_summary(np.array([0, 1, 2]), np.array([0, 1, 1]), CLASSES)
    expected = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert summary["per_class"]["MONOCYTE"] == expected
    assert summary["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_a_class_that_does_not_occur_leaves_macro_figures_alone() -> None:
    summary = classification_summary(np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1]), CLASSES)
    missing = summary["per_class"]["MONOCYTE"]
    assert (missing["support"], missing["precision"]) == (0, 0.0)
    assert np.isnan([missing["recall"], missing["f1"]]).all()  # there was nothing to find
    assert summary["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert summary["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert summary["confusion_matrix"] == [[1, 0, 1], [0, 2, 0], [0, 0, 0]]


PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.6, 0.4, 0.0], [0.1, 0.6, 0.3], [0.2, 0.4, 0.4]]
)


def test_probabilities_are_judged_by_hand() -> None:
    summary = probability_summary(np.array([0, 0, 1, 1, 2]), PROBABILITIES, CLASSES)
    # Eosinophil: 0.7 and 0.5 against 0.6, 0.1 and 0.2: 5 of 6 pairs. Lymphocyte: 0.4 and 0.6
    # against 0.2, 0.3 and 0.4: 5 pairs and a tie. Monocyte: 0.4 against 0.1, 0.2, 0 and 0.3.
    assert summary["auroc"] == pytest.approx(
        {
            "EOSINOPHIL": 5 / 6,
            "LYMPHOCYTE": 5.5 / 6,
            "MONOCYTE": 1,
            "macro": (5 + 5.5 + 6) / 18,
        }
    )
    squares = (0.14 + 0.38 + 0.72 + 0.26 + 0.56) / 5
    assert summary["brier"] == pytest.approx(squares)
    # Right, right, wrong, right, wrong; each alone in its bin but 0.6 and 0.6.
    assert summary["ece"] == pytest.approx((0.3 + 0.5 + abs(1 - 1.2) + 0.4) / 5)


def test_the_brier_score_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import brier_score_loss

    labels = np.array([0, 0, 1, 1, 2])
    summary = probability_summary(labels, PROBABILITIES, CLASSES)
    assert summary["brier"] == pytest.approx(brier_score_loss(labels, PROBABILITIES))


def test_a_class_that_does_not_occur_has_no_auroc() -> None:
    summary = probability_summary(np.array([0, 0, 1, 1, 0]), PROBABILITIES, CLASSES)
    assert np.isnan(summary["auroc"]["MONOCYTE"])
    rest = [summary["auroc"][name] for name in CLASSES[:2]]
    assert summary["auroc"]["macro"] == pytest.approx(np.mean(rest))
    alone = probability_summary(np.zeros(5, int), PROBABILITIES, CLASSES)
    assert all(np.isnan(value) for value in alone["auroc"].values())
