"""Whether the white cell of a smear is still in view: its nucleus, taken through a known map."""

from collections.abc import Mapping

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from wbc_jax.data.white_cell import find_nucleus
from wbc_jax.leakage import alignment
from wbc_jax.leakage.originals import SIZE

_LEAST_SHARED = 0.3  # of two nuclei's union that both cover, where they are one

Mask = Bool[np.ndarray, "h w"]
Matrix = Float64[np.ndarray, "2 3"]


def find_nuclei(images: Mapping[str, UInt8[np.ndarray, "h w 3"]]) -> dict[str, Mask | None]:
    """Returns the nucleus in each original; None where none is found."""
    return {name: find_nucleus(image) for name, image in images.items()}


def cell_in_view(nucleus: Mask | None, matrix: Matrix | None) -> float | None:
    """Returns which share of an original's nucleus lies in the copy's frame.

    Args:
        nucleus: in the original.
        matrix: from the original to the copy.

    Returns:
        0 to 1; None where there is no nucleus or no map.
    """
    if nucleus is None or matrix is None:
        return None
    return alignment.share_in_view(nucleus, matrix, SIZE)


def is_same_cell(first: Mask | None, second: Mask | None, matrix: Matrix) -> bool:
    """Returns whether two originals that overlap have found the same nucleus.

    Args:
        first: the nucleus in the first original.
        second: that in the second one.
        matrix: from the first to the second.
    """
    if first is None or second is None:
        return False
    moved = cv2.warpAffine(first.astype(np.uint8), matrix, SIZE, flags=cv2.INTER_NEAREST) > 0
    shared, either = (moved & second).sum(), (moved | second).sum()
    return bool(shared >= _LEAST_SHARED * either)
