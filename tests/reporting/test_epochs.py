"""Figures over the epochs of a run."""

import pytest

from wbc_jax.reporting.epochs import train_test_gap


def _epoch(**accuracies: float) -> dict[str, dict[str, float]]:
    return {part: {"categorical_accuracy": value} for part, value in accuracies.items()}


def test_gap_is_the_mean_difference_over_the_last_half() -> None:
    epochs = [
        _epoch(train=0.9, test=0.1),
        _epoch(train=0.5, test=0.7),
        _epoch(train=0.9, test=0.8),
    ]
    assert train_test_gap(epochs, "train") == pytest.approx((-0.2 + 0.1) / 2)


def test_gap_of_a_part_that_was_not_measured_is_none() -> None:
    epochs = [_epoch(train=0.9, test=0.8), _epoch(train=0.9, test=0.8)]
    assert train_test_gap(epochs, "train_at_rest") is None
