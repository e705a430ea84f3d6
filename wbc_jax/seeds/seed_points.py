"""What a detector finds in one picture, and what it is asked to find.

seeds = Seeds(rows, columns, kinds, scores)
KINDS[seeds.kinds[0]]       # "WBC"
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from wbc_jax.datasets.catalog import CELL_KINDS

KINDS = CELL_KINDS  # "RBC", "WBC", "Platelets"


class Seeds(NamedTuple):
    """Cells found in one picture.

    Attributes:
        rows: of each cell's centre, pixels of the picture given, 0 is the middle of the first row.
        columns: the same across.
        kinds: index into `KINDS`.
        scores: 0 to 1, higher is surer; comparable within a kind and a detector only.
    """

    rows: Float32[np.ndarray, " n"]
    columns: Float32[np.ndarray, " n"]
    kinds: Int32[np.ndarray, " n"]
    scores: Float32[np.ndarray, " n"]


def above(seeds: Seeds, thresholds: Sequence[float]) -> Seeds:
    """Returns the seeds whose score reaches their kind's threshold."""
    kept = seeds.scores >= np.array(thresholds, np.float32)[seeds.kinds]
    return Seeds(*(values[kept] for values in seeds))


def to_own_pixels(seeds: Seeds, size: tuple[int, int], own: tuple[int, int]) -> Seeds:
    """Returns seeds of a picture that was resized, in the pixels that it had before.

    Args:
        seeds: in the resized picture.
        size: its rows and columns.
        own: rows and columns before.
    """
    down, right = (mine / theirs for mine, theirs in zip(own, size, strict=True))
    return seeds._replace(
        rows=((seeds.rows + 0.5) * down - 0.5).astype(np.float32),
        columns=((seeds.columns + 0.5) * right - 0.5).astype(np.float32),
    )


Detector = Callable[[UInt8[np.ndarray, "h w 3"]], Seeds]  # a picture of any size
