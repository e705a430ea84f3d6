"""How a picture looks under an affine map, and whether another one agrees with it.

Maps lead from (x, y, 1) in the original to (x, y) in the copy, pixels; the centre of the first
pixel is (0, 0).
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

_EDGE = 3  # pixels of the common area's border left out: interpolation, and JPEG beside black fill
_LEAST_AREA = 400  # of a common area that says anything, pixels
_IDENTITY = np.eye(2, 3)

Image = UInt8[np.ndarray, "h w 3"]
Matrix = Float64[np.ndarray, "2 3"]


def warp(original: Image, matrix: Matrix, size: tuple[int, int]) -> Image:
    """Returns the original as it lies in the copy, black where it has no content.

    Args:
        original: 8-bit RGB.
        matrix: from the original to the copy.
        size: (width, height) of the copy.
    """
    return np.asarray(cv2.warpAffine(original, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)


def common_area(
    shape: tuple[int, int], matrix: Matrix, size: tuple[int, int]
) -> Bool[np.ndarray, "h w"]:
    """Returns where in the copy the original has content, without the edge of that area.

    Args:
        shape: (height, width) of the original.
        matrix: from the original to the copy.
        size: (width, height) of the copy.
    """
    content = np.pad(np.full(np.subtract(shape, 2), 255, np.uint8), 1)
    inside = cv2.warpAffine(content, matrix, size, flags=cv2.INTER_NEAREST) > 0
    return without_edge(inside)


def without_edge(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Shrinks a mask, except where it ends at the frame."""
    kernel = np.ones((2 * _EDGE + 1, 2 * _EDGE + 1), np.uint8)
    return cv2.erode(mask.astype(np.uint8), kernel) > 0  # OpenCV takes all outside as set


def agreement(original: Image, copy: Image, matrix: Matrix) -> float:
    """Returns the correlation of the gray values of copy and warped original.

    Only where the original has content, so that its own lack of any does not count; fill of the
    copy counts against it. A change of contrast or brightness changes nothing. 0 where next to
    nothing is in common.
    """
    size = (copy.shape[1], copy.shape[0])
    common = common_area((original.shape[0], original.shape[1]), matrix, size)
    if common.sum() < _LEAST_AREA:
        return 0.0
    return correlation(_gray(copy)[common], _gray(warp(original, matrix, size))[common])


def frame_agreement(original: Image, copy: Image, matrix: Matrix) -> float:
    """Returns the correlation over the whole frame, black fill and its border included.

    Photographs of one place that are shifted against each other have the same content in common,
    but end elsewhere.
    """
    size = (copy.shape[1], copy.shape[0])
    return correlation(_gray(copy).ravel(), _gray(warp(original, matrix, size)).ravel())


def refine(original: Image, copy: Image, matrix: Matrix) -> Matrix:
    """Improves a map by maximising the agreement itself, from the given one on.

    Returns:
        The better map; the given one where the search fails or finds none.

    Source: Evangelidis and Psarakis (2008), "Parametric image alignment using enhanced
    correlation coefficient maximization".
    """
    size = (copy.shape[1], copy.shape[0])
    template, image = _gray(warp(original, matrix, size)), _gray(copy)
    mask = common_area((original.shape[0], original.shape[1]), matrix, size).astype(np.uint8)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    start = _IDENTITY.astype(np.float32)
    try:
        # The template is the one under the map so far: what is found is the step from there.
        _, step = cv2.findTransformECC(
            template, image, start, cv2.MOTION_AFFINE, stop, np.ascontiguousarray(mask * 255), 5
        )
    except cv2.error:  # no convergence
        return matrix
    better = compose(step.astype(np.float64), matrix)
    improves = agreement(original, copy, better) > agreement(original, copy, matrix)
    return better if improves else matrix


def compose(second: Matrix, first: Matrix) -> Matrix:
    """Returns the map that applies `first`, then `second`."""
    return np.vstack([second, [0.0, 0.0, 1.0]])[:2] @ np.vstack([first, [0.0, 0.0, 1.0]])


def share_in_view(mask: Bool[np.ndarray, "h w"], matrix: Matrix, size: tuple[int, int]) -> float:
    """Returns which share of a mask's pixels the map leaves inside the copy's frame.

    Args:
        mask: of the original; not empty.
        matrix: from the original to the copy.
        size: (width, height) of the copy.
    """
    row, column = np.nonzero(mask)
    x, y = matrix @ np.stack([column, row, np.ones_like(row)]).astype(np.float64)
    # A pixel's centre may lie half a pixel beyond the first one's.
    inside = (x >= -0.5) & (x < size[0] - 0.5) & (y >= -0.5) & (y < size[1] - 0.5)
    return float(inside.mean())


def _gray(image: Image) -> UInt8[np.ndarray, "h w"]:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.uint8)


def correlation(first: UInt8[np.ndarray, " n"], second: UInt8[np.ndarray, " n"]) -> float:
    """Returns Pearson's correlation; 0 where one of both is the same everywhere."""
    ours, theirs = first - first.mean(), second - second.mean()
    # Sums, not dot products: those start the matrix library's threads for next to nothing.
    scale = float(np.sqrt((ours * ours).sum() * (theirs * theirs).sum()))
    return float((ours * theirs).sum()) / scale if scale > 0 else 0.0
