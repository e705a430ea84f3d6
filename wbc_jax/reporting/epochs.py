"""The metrics of every epoch, as results.json lists them under `epochs`.

metric_values(results["epochs"], "test", "binary_accuracy")    # [E], fractions
train_test_gap(results["epochs"], "train_at_rest")    # 0.031: 3.1 points more on training images
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

# Names for readers. Both accuracies are always named in full: "accuracy" alone is ambiguous.
METRIC_NAMES = {
    "categorical_accuracy": "Categorical accuracy",
    "binary_accuracy": "Binary accuracy",
    "binary_cross_entropy": "Binary cross-entropy",
    "softmax_cross_entropy": "Softmax cross-entropy",
}

# As training goes: images augmented, dropout on, weights changing. And at rest: as the test is.
TRAIN_PARTS = ("train", "train_at_rest")

# Each epoch: {"epoch": 1, "seconds": 3.2, "train": {metric: value}, "test": {metric: value}}, and
# like these "validation" where a part is held out for it, "train_at_rest" where it was asked for.
Epochs = Sequence[Mapping[str, Any]]


def metric_values(epochs: Epochs, split: str, metric: str) -> Float[np.ndarray, " epochs"]:
    """Returns one metric per epoch, NaN where it is not defined.

    Args:
        epochs: as in results.json.
        split: "train", "train_at_rest", "validation" or "test".
        metric: a key of METRIC_NAMES; accuracies are fractions in [0, 1], losses are in nats.
    """
    return np.array([epoch[split][metric] for epoch in epochs], np.float64)  # None is NaN


def train_test_gap(epochs: Epochs, part: str) -> float | None:
    """Returns categorical accuracy on training less on test images, mean over the last half.

    Args:
        epochs: as in results.json; of an odd number, the middle one counts to the last half.
        part: one of `TRAIN_PARTS`.

    Returns:
        A difference of shares in [-1, 1]; None where `part` was not measured.
    """
    last_half = epochs[len(epochs) // 2 :]
    if not all(part in epoch for epoch in last_half):
        return None
    train, test = (metric_values(last_half, one, "categorical_accuracy") for one in (part, "test"))
    return float(np.mean(train - test))
