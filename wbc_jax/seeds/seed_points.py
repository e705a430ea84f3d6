"""What a detector finds in one picture, and what it is asked to find.

seeds = Seeds(rows, columns, kinds, scores)
KINDS[seeds.kinds[0]]       # "WBC"
"""

from collections.abc import Callable
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


Detector = Callable[[UInt8[np.ndarray, "h w 3"]], Seeds]  # a picture of any size
