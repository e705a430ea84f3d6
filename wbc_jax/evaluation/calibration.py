"""How far a network's probabilities can be believed, and the one number that mends them.

temperature = fit_temperature(validation_logits, validation_labels)
error = expected_calibration_error(softmax(test_logits / temperature), test_labels)

Source: Guo et al. (2017), "On Calibration of Modern Neural Networks"; where validation is
faultless, Platt (1999), "Probabilistic Outputs for Support Vector Machines", section 2.2.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

NUM_BINS = 15  # as in the source
# A search must end somewhere.
_COLDEST, _HOTTEST = 0.05, 20.0


class ReliabilityBins(NamedTuple):
    """Bins of equal width over the probability of the answer; bin m is (m / M, (m + 1) / M].

    Attributes:
        counts: examples in each bin.
        confidence: their mean probability of the answer; NaN in an empty bin.
        accuracy: share of them that is right; NaN in an empty bin.
    """

    counts: Int[np.ndarray, " m"]
    confidence: Float[np.ndarray, " m"]
    accuracy: Float[np.ndarray, " m"]


def fit_temperature(logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]) -> float:
    """Returns the temperature that makes the logits' probabilities most likely.

    Where every example is right, ever more confidence is ever more likely, and one wrong among the
    next would have no place. Then the targets are Platt's: of n examples (n + 1) / (n + k) for the
    label and 1 / (n + k) for each other class, as if every class had been seen once more.

    Args:
        logits: of validation examples, at least one; never of those that it will be judged on.
        labels: their classes, in [0, k).

    Returns:
        What logits are divided by, in [0.05, 20]: above 1 for a network that is too sure of
        itself. It changes no answer.

    Raises:
        ValueError: there is no example.
    """
    from scipy import optimize, special  # half a second of import that training's start can spare

    if len(labels) == 0:
        raise ValueError("a temperature needs at least one validation example")
    scores, (num_examples, num_classes) = logits.astype(np.float64), logits.shape
    targets = np.eye(num_classes)[labels]
    if (logits.argmax(axis=-1) == labels).all():
        targets = (num_examples * targets + 1) / (num_examples + num_classes)

    def negative_log_likelihood(log_temperature: float) -> float:
        logs = special.log_softmax(scores / np.exp(log_temperature), axis=-1)
        return float(-(targets * logs).sum(axis=-1).mean())

    # Convex in 1 / temperature, so there is one minimum on the logarithmic scale as well.
    found = optimize.minimize_scalar(
        negative_log_likelihood,
        bounds=(np.log(_COLDEST), np.log(_HOTTEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def bin_of(confidence: Float[np.ndarray, " n"], num_bins: int) -> Int[np.ndarray, " n"]:
    """Returns the bin of each probability of the answer, from 0."""
    return np.clip(np.ceil(confidence * num_bins).astype(np.intp) - 1, 0, num_bins - 1)


def reliability_bins(
    probabilities: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, " n"],
    num_bins: int = NUM_BINS,
) -> ReliabilityBins:
    """Returns how often answers of each confidence are right.

    Args:
        probabilities: rows summing to 1; the most probable class is the answer.
        labels: true classes, in [0, k).
        num_bins: of equal width.
    """
    confidence = probabilities.max(axis=-1).astype(np.float64)
    is_right = probabilities.argmax(axis=-1) == labels
    bins = bin_of(confidence, num_bins)
    counts = np.bincount(bins, minlength=num_bins)
    sums = [
        np.bincount(bins, weights=values, minlength=num_bins) for values in (confidence, is_right)
    ]
    means = [
        np.divide(total, counts, out=np.full(num_bins, np.nan), where=counts > 0) for total in sums
    ]
    return ReliabilityBins(counts, *means)


def expected_calibration_error(
    probabilities: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, " n"],
    num_bins: int = NUM_BINS,
) -> float:
    """Returns the mean distance of confidence and accuracy over the bins, weighted by their count.

    Of the answer only, as in the source. It is biased upwards where bins hold few examples.

    Args:
        probabilities: rows summing to 1; the most probable class is the answer.
        labels: true classes, in [0, k).
        num_bins: of equal width.

    Returns:
        A share in [0, 1]; 0 is best, NaN without any example.
    """
    if len(labels) == 0:
        return float("nan")
    bins = reliability_bins(probabilities, labels, num_bins)
    return float(np.nansum(bins.counts * np.abs(bins.accuracy - bins.confidence)) / len(labels))
