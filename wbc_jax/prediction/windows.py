"""What of a picture shows each white cell, cut as the run's own images were.

parts = boxes(picture, [(120.5, 88.0)], settings)            # one for each centre

A run of the view `white_cell` gets a square window. One of the view `whole` gets the whole picture
where that shows one white cell; of several, each is moved into the middle, black beyond the edge,
as the published copies were shifted, and the others stay in sight.
"""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from wbc_jax.data.preprocessing import Settings
from wbc_jax.data.white_cell import white_cell_window
from wbc_jax.datasets.decoding import MOST_PIXELS, UndecodableError

Center = tuple[float, float]  # row, column, pixels of the picture


class Box(NamedTuple):
    """A part of a picture, which it may leave; pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def center(self) -> Center:
        """Its middle."""
        return (self.top + self.bottom - 1) / 2, (self.left + self.right - 1) / 2

    def holds(self, center: Center) -> bool:
        """Whether a point lies in it."""
        row, column = center
        return self.top <= row < self.bottom and self.left <= column < self.right


def own_box(picture: Image.Image, settings: Settings, window: int | None = None) -> Box:
    """Returns what the run's own pre-processing takes of a picture with one white cell.

    Args:
        picture: RGB.
        settings: of the run.
        window: side in pixels, instead of the run's, of the view `white_cell`.

    Raises:
        UndecodableError: the window is too large to be cut.
    """
    width, height = picture.size
    if settings.view == "white_cell":
        share = settings.window_side if window is None else window / height
        top, left, side = white_cell_window(picture, share)
        return _box(top, left, side, side)
    return Box(0, 0, width, height)


def boxes(
    picture: Image.Image,
    centers: Sequence[Center],
    settings: Settings,
    window: int | None = None,
) -> list[Box]:
    """Returns what to show the network of each white cell.

    Args:
        picture: RGB.
        centers: of its white cells.
        settings: of the run.
        window: side (view white_cell) or height (view whole) in pixels of what is cut out; None:
            the run's share of the picture's height.

    Raises:
        UndecodableError: the windows are too large to be cut.
    """
    if len(centers) == 1 and window is None:
        own = own_box(picture, settings)
        if own.holds(centers[0]):
            return [own]
    width, height = picture.size
    if settings.view == "white_cell":
        rows = window or max(1, round(settings.window_side * height))
        columns = rows
    else:
        rows = window or height
        columns = max(1, round(rows * width / height))
    # A pixel's middle is half a pixel from its edge, at which a window begins.
    corners = (
        (round(row + 0.5 - rows / 2), round(column + 0.5 - columns / 2)) for row, column in centers
    )
    return [_box(top, left, rows, columns) for top, left in corners]


def _box(top: int, left: int, rows: int, columns: int) -> Box:
    """Returns a window, most of which may lie beyond a thin picture."""
    if rows * columns > MOST_PIXELS:
        raise UndecodableError(
            f"a window of {rows}x{columns} pixels is more than the {MOST_PIXELS:,} allowed"
        )
    return Box(left, top, left + columns, top + rows)
