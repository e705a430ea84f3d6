"""Examples as arrays: what preprocessing makes and protocols divide."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Shaped, UInt8


class Examples(NamedTuple):
    """Equally long arrays, one row per example.

    Attributes:
        image: pre-processed, 0 to 255; one channel if gray, three if colour.
        label: class, from 0; -1 where an example has none.
        filename: where in its data set the image comes from; unicode.
        source: the smear it shows; copies of one smear share it. Unicode.
        scene: the place that smear shows; smears of overlapping fields share it. Unicode.
        cells: of sets for detectors, all cells of each picture: row, column, half the height and
            half the width of the box in pixels of `image`, and the kind; -1: no further cell.
    """

    image: UInt8[np.ndarray, "n h w c"]
    label: Int[np.ndarray, " n"]
    filename: Shaped[np.ndarray, " n"]
    source: Shaped[np.ndarray, " n"]
    scene: Shaped[np.ndarray, " n"]
    cells: Float32[np.ndarray, "n m 5"] | None = None

    def take(self, rows: Int[np.ndarray, " m"]) -> "Examples":
        """Returns the examples of these rows, in this order."""
        arrays = {name: array[rows] for name, array in self._asdict().items() if array is not None}
        return Examples(**arrays)


def concatenate(parts: list[Examples]) -> Examples:
    """Returns the examples of all parts, one part after the other."""
    given = [name for name, array in parts[0]._asdict().items() if array is not None]
    return Examples(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in given})
