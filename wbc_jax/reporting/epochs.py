"""The metrics of every epoch, as results.json lists them under `epochs`.

metric_values(results["epochs"], "test", "binary_accuracy")    # [E], fractions
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

# Each epoch: {"epoch": 1, "seconds": 3.2, "train": {metric: value}, "test": {metric: value}}, and
# "validation" like these where a part is held out for it.
Epochs = Sequence[Mapping[str, Any]]


def metric_values(epochs: Epochs, split: str, metric: str) -> Float[np.ndarray, " epochs"]:
    """Returns one metric per epoch, NaN where it is not defined.

    Args:
        epochs: as in results.json.
        split: "train", "validation" or "test".
        metric: a key of METRIC_NAMES; accuracies are fractions in [0, 1], losses are in nats.
    """
    values = [epoch[split][metric] for epoch in epochs]
    return np.array([np.nan if value is None else value for value in values], np.float64)
