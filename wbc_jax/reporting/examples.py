"""Which test images a reader is shown: a fixed rule, so that nobody picks the flattering ones."""

import numpy as np
from jaxtyping import Float, Int


def evenly_spread(size: int, count: int) -> Int[np.ndarray, " {count}"]:
    """Returns places in a row: the middles of equal stretches, so that neither end is favoured.

    Args:
        size: of the row.
        count: how many places, at most `size`.
    """
    return ((np.arange(count) + 0.5) * size / max(count, 1)).astype(np.intp)


def choose_examples(
    labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n k"], count: int
) -> Int[np.ndarray, " m"]:
    """Chooses test images: the most confident mistakes first, then evenly spread right ones.

    Mistakes take at most half of the places while there are right answers to fill the others.

    Args:
        labels: true class indices, in [0, k).
        probabilities: softmax outputs; the most probable class is the answer.
        count: number of images wanted, not negative.

    Returns:
        Indices of min(count, n) different images. Mistakes stand first, the most confident one
        (by the probability of the wrong answer) leading, ties in the order of the test set; the
        right ones follow at even distances in the order of the test set.
    """
    is_wrong = probabilities.argmax(axis=1) != labels
    wrong, right = np.flatnonzero(is_wrong), np.flatnonzero(~is_wrong)
    wrong = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    count = min(count, labels.size)
    num_wrong = min(wrong.size, max(count // 2, count - right.size))
    num_right = count - num_wrong
    return np.concatenate([wrong[:num_wrong], right[evenly_spread(right.size, num_right)]])
