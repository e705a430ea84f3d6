"""What the networks of one seed say of its test images."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped


class Answers(NamedTuple):
    """The answers of one seed, all folds together.

    Attributes:
        filenames: of each image; all different.
        sources: the smear of each image.
        labels: true classes, in [0, k).
        probabilities: rows summing to 1.
    """

    filenames: Shaped[np.ndarray, " n"]
    sources: Shaped[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]
    probabilities: Float[np.ndarray, "n k"]
