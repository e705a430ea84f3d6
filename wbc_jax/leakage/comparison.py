"""Whether two pictures show the same thing, decided by their pixels under the map between them.

    view, other = look_at(image), look_at(other_image)
    match_agreement(view, other, matrix)          # correlation over what both show
    turned_agreement(view, other, orientation)    # the same for one of eight orientations

What a picture shows ends at its border of black, white or another single colour, be it the fill of
a turned copy, a microscope's diaphragm or what a cell was cut out on: two copies of one picture end
in different places, and a border says nothing but would make pictures alike that have nothing else
in common.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from wbc_jax.leakage.alignment import correlation, without_edge
from wbc_jax.leakage.perceptual_hash import orient

# Brightest value of a black border in any channel, as a share of the picture's brightest: JPEG
# leaves some noise in it, and a dark picture as a whole is no border.
BLACK = 24 / 255
WHITE = 250  # darkest value of a white border in any channel; an empty slide is mostly darker
# A border of another colour: more than so much of the outermost pixels is within such a share of
# the brightest value of one colour. Of photographs at most 0.14 is, of cells cut out of them 0.44.
LEAST_SAME = 0.5
SAME = 3 / 255
LEAST_COMMON = 0.05  # of the smaller one's content that must be in common

Image = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True)
class View:
    """What is compared of a picture.

    Attributes:
        gray: its gray values.
        content: where it shows something: all but its border.
    """

    gray: UInt8[np.ndarray, "h w"]
    content: Bool[np.ndarray, "h w"]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.gray.shape[1], self.gray.shape[0]


def look_at(image: Image) -> View:
    """Returns what is compared of a picture; all of it where it is nothing but border.

    Args:
        image: 8-bit RGB.
    """
    red, green, blue = np.moveaxis(image, 2, 0)
    brightest = np.maximum(np.maximum(red, green), blue)
    darkest = np.minimum(np.minimum(red, green), blue)
    empty = (brightest <= BLACK * brightest.max()) | (darkest >= WHITE)
    outermost = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    colour, tolerance = np.median(outermost, axis=0), SAME * brightest.max()
    if (abs(outermost - colour) <= tolerance).all(-1).mean() > LEAST_SAME:
        empty |= (abs(image - colour) <= tolerance).all(-1)
    # A frame around joins all that touches the border to one component, whatever its colours: a
    # turned copy may stand on white.
    framed = np.pad(empty.astype(np.uint8), 1, constant_values=1)
    _, components = cv2.connectedComponents(framed, connectivity=4)
    content = (components != components[0, 0])[1:-1, 1:-1]
    if not content.any():
        content = np.ones_like(content)
    return View(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), content)


def match_agreement(first: View, second: View, matrix: Float64[np.ndarray, "2 3"]) -> float:
    """Returns the correlation of the gray values of two pictures over what both show.

    Args:
        first: a picture.
        second: another one.
        matrix: from (x, y, 1) in the first to (x, y) in the second, pixels.

    Returns:
        In [-1, 1]; 0 where they have next to nothing in common or one is of a single colour there.
    """
    # What lies beyond the first one's rim is not shown by it.
    shown = np.pad(first.content[1:-1, 1:-1], 1).astype(np.uint8) * 255
    warped = cv2.warpAffine(shown, matrix, second.size, flags=cv2.INTER_LINEAR) == 255
    theirs = cv2.warpAffine(first.gray, matrix, second.size, flags=cv2.INTER_LINEAR)
    magnification = abs(float(np.linalg.det(matrix[:, :2])))
    least = LEAST_COMMON * min(second.content.sum(), first.content.sum() * magnification)
    return _agreement(second.gray, theirs, without_edge(warped & second.content), least)


def turned_agreement(first: View, second: View, orientation: int) -> float:
    """Returns the correlation of a picture and another one in a given orientation, at its size.

    Args:
        first: a picture.
        second: another one.
        orientation: of the second, see `perceptual_hash.ORIENTATIONS`.

    Returns:
        As `match_agreement` does.
    """
    gray, content = (
        cv2.resize(orient(array, orientation), first.size, interpolation=cv2.INTER_AREA)
        for array in (second.gray, second.content.astype(np.uint8) * 255)
    )
    both = first.content & (content == 255)
    least = LEAST_COMMON * min(first.content.sum(), (content == 255).sum())
    return _agreement(first.gray, gray, without_edge(both), least)


def _agreement(
    first: UInt8[np.ndarray, "h w"],
    second: UInt8[np.ndarray, "h w"],
    where: Bool[np.ndarray, "h w"],
    least: float,
) -> float:
    """Returns the correlation where a mask is set; 0 where that is no more than `least` pixels."""
    return correlation(first[where], second[where]) if where.sum() > least else 0.0
