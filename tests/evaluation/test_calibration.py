"""Temperature and calibration error, against formulas and examples worked out by hand."""

import numpy as np
import pytest
import scipy.special

from wbc_jax.evaluation.calibration import (
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)


def draw(num_examples: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that are drawn from their probabilities at this temperature."""
    random = np.random.default_rng(0)
    logits = random.normal(scale=3, size=(num_examples, 4))
    chances = scipy.special.softmax(logits / temperature, axis=-1)
    labels = (random.random((num_examples, 1)) > chances.cumsum(axis=-1)).sum(axis=-1)
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_drew_the_labels_is_found(temperature: float) -> None:
    logits, labels = draw(20_000, temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_makes_the_labels_more_likely() -> None:
    logits, labels = draw(300, 1.7)

    def loss(temperature: float) -> float:
        logs = scipy.special.log_softmax(logits.astype(np.float64) / temperature, axis=-1)
        return -logs[np.arange(300), labels].mean()

    found = fit_temperature(logits, labels)
    assert loss(found) < min(loss(0.99 * found), loss(1.01 * found), loss(1.0))


def test_a_faultless_validation_leaves_room_for_a_mistake() -> None:
    """Of four right answers one more of each class: 5 / 8 for the label, 1 / 8 for each other."""
    found = fit_temperature(np.eye(4, dtype=np.float32) / 2, np.arange(4))
    assert found == pytest.approx(0.5 / np.log(5), rel=1e-3)
    # Many right answers allow more confidence, and never all of it.
    many = fit_temperature(np.tile(np.eye(4, dtype=np.float32) / 2, (50, 1)), np.arange(200) % 4)
    assert many == pytest.approx(0.5 / np.log(201), rel=1e-3)
    # A single wrong answer says itself how much is due.
    labels = np.append(np.arange(199) % 4, 0)
    one_wrong = fit_temperature(np.tile(np.eye(4, dtype=np.float32) / 2, (50, 1)), labels)
    assert one_wrong == pytest.approx(0.5 / np.log(3 * 199), rel=1e-3)


def test_a_temperature_needs_an_example() -> None:
    with pytest.raises(ValueError, match="at least one validation example"):
        fit_temperature(np.zeros((0, 4), np.float32), np.zeros(0, int))


# Confidences 0.9, 0.8, 0.6, 0.55, 0.35; answers 0, 0, 1, 1, 0; the third and fourth are wrong.
PROBABILITIES = np.array(
    [[0.9, 0.1, 0], [0.8, 0.1, 0.1], [0.4, 0.6, 0], [0.45, 0.55, 0], [0.35, 0.33, 0.32]]
)
LABELS = np.array([0, 0, 0, 2, 0])


def test_bins_by_hand() -> None:
    bins = reliability_bins(PROBABILITIES, LABELS, num_bins=5)
    assert bins.counts.tolist() == [0, 1, 2, 1, 1], "0.6 and 0.8 belong to the lower bin"
    np.testing.assert_allclose(bins.confidence, [np.nan, 0.35, 0.575, 0.8, 0.9])
    np.testing.assert_allclose(bins.accuracy, [np.nan, 1, 0, 1, 1])


def test_calibration_error_by_hand() -> None:
    expected = (0.65 + 2 * 0.575 + 0.2 + 0.1) / 5
    assert expected_calibration_error(PROBABILITIES, LABELS, num_bins=5) == pytest.approx(expected)


@pytest.mark.parametrize(("confidence", "bin_"), [(1.0, 14), (0.25, 3), (1 / 15, 0), (0.0, 0)])
def test_every_confidence_has_a_bin(confidence: float, bin_: int) -> None:
    bins = reliability_bins(np.array([[confidence, 0.0]]), np.array([0]))
    assert np.flatnonzero(bins.counts).tolist() == [bin_]


def test_calibrated_answers_have_a_small_error_and_sure_ones_a_large_one() -> None:
    logits, labels = draw(20_000, 1.0)
    assert expected_calibration_error(scipy.special.softmax(logits, -1), labels) < 0.02
    assert expected_calibration_error(scipy.special.softmax(4 * logits, -1), labels) > 0.1


def test_without_examples_the_error_is_not_defined() -> None:
    assert np.isnan(expected_calibration_error(np.zeros((0, 4)), np.zeros(0, int)))
