"""The losses as their formulas say, in float64 NumPy."""

from collections.abc import Callable

import numpy as np
import scipy.special

Reference = Callable[[np.ndarray, np.ndarray], np.ndarray]


def binary_by_numpy(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """As Keras has it for a softmax layer: two terms per output, the mean over the outputs."""
    p = scipy.special.softmax(np.asarray(logits, np.float64), axis=-1)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean(axis=-1)


def softmax_by_numpy(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    return -(target * scipy.special.log_softmax(np.asarray(logits, np.float64), axis=-1)).sum(-1)


def _of_labels(soft: Reference) -> Reference:
    return lambda logits, labels: soft(logits, np.eye(logits.shape[-1])[labels])


# From logits and a target that sums to one over the classes; and from logits and labels.
SOFT_REFERENCES: dict[str, Reference] = {
    "binary_cross_entropy": binary_by_numpy,
    "softmax_cross_entropy": softmax_by_numpy,
}
REFERENCES = {name: _of_labels(soft) for name, soft in SOFT_REFERENCES.items()}
