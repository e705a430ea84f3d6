"""Examples as arrays: what preprocessing makes and protocols divide."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped, UInt8


class Examples(NamedTuple):
    """Equally long arrays, one row per example.

    Attributes:
        image: pre-processed, 0 to 255; one channel if gray, three if colour.
        label: class, from 0; -1 where an example has none.
        filename: where in its data set the image comes from; unicode.
        source: the smear it shows; copies of one smear share it. Unicode.
        scene: the place that smear shows; smears of overlapping fields share it. Unicode.
    """

    image: UInt8[np.ndarray, "n h w c"]
    label: Int[np.ndarray, " n"]
    filename: Shaped[np.ndarray, " n"]
    source: Shaped[np.ndarray, " n"]
    scene: Shaped[np.ndarray, " n"]

    def take(self, rows: Int[np.ndarray, " m"]) -> "Examples":
        """Returns the examples of these rows, in this order."""
        return Examples(*(array[rows] for array in self))


def concatenate(parts: list[Examples]) -> Examples:
    """Returns the examples of all parts, one part after the other."""
    return Examples(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
