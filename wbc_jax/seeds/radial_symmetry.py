"""Bounded erosion and fast radial symmetry: centres of overlapping round silhouettes.

symmetry = radial_symmetry(silhouette.astype(np.float32), radii=(18, 20, 22))
apart = bounded_erosion(silhouette, steps=8, least_area=50)
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

_STRICTNESS = 2  # alpha: how much an odd gradient among many counts
_MOST_VOTES = 9.9  # kappa: votes beyond that add nothing, for radii above 1
_LEAST_GRADIENT = 0.05  # of the largest; below it a direction is noise


def bounded_erosion(
    silhouette: Bool[np.ndarray, "h w"], *, steps: int, least_area: int
) -> Bool[np.ndarray, "h w"]:
    """Erodes a silhouette pixel by pixel, but no part of it to less than an area.

    Cells that overlap come apart; a small one that would vanish before they do stays as it was
    when it became too small.

    Args:
        silhouette: where cells are.
        steps: pixels to erode at most.
        least_area: pixels that must be left of a part, its pieces together, for it to be eroded.

    Source: Park et al. (2013); Zafari et al. (2015), section III.A.
    """
    left = silhouette.copy()
    done = np.zeros_like(left)
    for _ in range(steps):
        smaller = ndimage.binary_erosion(left, border_value=1)
        labels, count = ndimage.label(left, structure=np.ones((3, 3)))
        if count == 0:
            break
        areas = np.bincount(labels[smaller], minlength=count + 1)
        is_small = areas < least_area
        is_small[0] = False
        small = is_small[labels]
        done |= small
        left = smaller & ~small
    return left | done


def radial_symmetry(
    image: Float32[np.ndarray, "h w"], *, radii: Sequence[int]
) -> Float32[np.ndarray, "h w"]:
    """Lets every gradient vote for the places it points to, at each of several distances.

    Args:
        image: bright discs on dark ground; edges say where the discs are.
        radii: of the discs, pixels.

    Returns:
        How much a place is the centre of a disc: near 1 for a whole bright one, 0 for none.

    Source: Loy and Zelinsky (2003), section 3.
    """
    down = ndimage.sobel(image, axis=0)
    right = ndimage.sobel(image, axis=1)
    size = np.hypot(down, right)
    if not size.max():
        return np.zeros_like(image)
    rows, columns = np.nonzero(size > _LEAST_GRADIENT * size.max())
    weight = size[rows, columns]
    towards = np.stack([down[rows, columns], right[rows, columns]]) / weight
    total = np.zeros(image.shape, np.float64)
    for radius in radii:
        at = np.round(np.stack([rows, columns]) + radius * towards).astype(np.intp)
        inside = ((at >= 0) & (at < np.array(image.shape)[:, None])).all(axis=0)
        place = np.ravel_multi_index((at[0, inside], at[1, inside]), image.shape)
        votes = np.bincount(place, minlength=image.size).reshape(image.shape)
        strength = np.bincount(place, weights=weight[inside], minlength=image.size)
        orientation = np.minimum(votes, _MOST_VOTES) / _MOST_VOTES
        magnitude = strength.reshape(image.shape) / (_MOST_VOTES * weight.max())
        spread = ndimage.gaussian_filter(orientation**_STRICTNESS * magnitude, radius / 4)
        total += spread * radius  # as many votes fall on a larger circle's centre
    return (total / len(radii)).astype(np.float32)
