"""A smear's picture with its cells marked: each kind by a shape and a colour of its own.

jpeg = annotate(picture, [Mark("WBC", 120.0, 88.0, box=(40, 70, 130, 160), text="1 lymphocyte")])
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from wbc_jax.datasets.encoding import encode
from wbc_jax.reporting.colours import BLACK, KIND_COLOURS, VERMILLION

_UNCERTAIN = VERMILLION
_LEAST_HEIGHT = 480  # pixels; smaller pictures are enlarged, or nobody could read the words
_MOST_SIDE = 65_500  # pixels, of a JPEG
_MOST_ENLARGED = 16_000_000  # pixels of an enlarged picture: 50 MB
_QUALITY = 88  # of the JPEG


Frame = tuple[int, int, int, int]


class Mark(NamedTuple):
    """A cell to be marked.

    Attributes:
        kind: RBC, WBC or Platelets.
        row: of its centre, pixels.
        column: the same across.
        box: left, top, right, bottom of what was classified; None for none.
        text: what to write beside it; empty for nothing.
        is_uncertain: whether it was not answered.
    """

    kind: str
    row: float
    column: float
    box: Frame | None = None
    text: str = ""
    is_uncertain: bool = False


def annotate(picture: Image.Image, marks: Sequence[Mark]) -> bytes:
    """Returns the marked picture as a JPEG.

    A ring is a red cell, a triangle a platelet, a cross in a frame a white cell; a broken frame one
    that was not answered.

    Args:
        picture: RGB; it is not changed.
        marks: of its cells.
    """
    scale = _scale(*picture.size)
    size = tuple(max(1, round(scale * side)) for side in picture.size)
    drawn = picture.copy() if scale == 1 else picture.resize((size[0], size[1]))
    unit = max(2, drawn.height // 240)  # width of a line, pixels
    pen = ImageDraw.Draw(drawn)
    for mark in sorted(marks, key=lambda mark: mark.kind == "WBC"):  # white cells on top
        _draw(pen, mark, scale, unit)
    return encode(drawn, "JPEG", quality=_QUALITY)


def _scale(width: int, height: int) -> float:
    """Returns how often to enlarge a picture; below 1 where no JPEG could hold it."""
    most = _MOST_SIDE / max(width, height)
    if most < 1:
        return most
    wanted = -(-_LEAST_HEIGHT // height)
    affordable = math.isqrt(_MOST_ENLARGED // (width * height))
    return max(1, min(wanted, affordable, math.floor(most)))


def _draw(pen: ImageDraw.ImageDraw, mark: Mark, scale: float, unit: int) -> None:
    colour = _UNCERTAIN if mark.is_uncertain else KIND_COLOURS[mark.kind]
    x, y = scale * (mark.column + 0.5), scale * (mark.row + 0.5)
    reach = 4 * unit
    square = (x - reach, y - reach, x + reach, y + reach)
    if mark.kind == "RBC":
        pen.ellipse(square, outline=colour, width=unit)
    elif mark.kind == "Platelets":
        corners = [(x, y - reach), (x - reach, y + reach), (x + reach, y + reach)]
        pen.polygon(corners, outline=colour, width=unit)
    else:  # with a rim, for a nucleus is as dark as the cross
        for ink, width in (("white", 3 * unit), (colour, unit)):
            pen.line((x - reach, y, x + reach, y), fill=ink, width=width)
            pen.line((x, y - reach, x, y + reach), fill=ink, width=width)
    if mark.box is not None:
        left, top, right, bottom = (round(scale * side) for side in mark.box)
        frame = (left, top, right - 1, bottom - 1)
        if mark.is_uncertain:
            _broken_frame(pen, frame, colour, unit)
        else:
            pen.rectangle(frame, outline=colour, width=unit)
    if mark.text:  # beside the cell itself: frames of several may begin at one corner
        font = ImageFont.load_default(8 * unit)
        size, (_, _, *end) = pen.im.size, pen.textbbox((0, 0), mark.text, font)
        # Never before the picture's edge: of a word that is too long the end is cut, not the class.
        place = (
            max(0, min(x + reach + unit, size[0] - end[0])),
            max(0, min(y + reach, size[1] - end[1])),
        )
        pen.rectangle(pen.textbbox(place, mark.text, font), fill="white")
        pen.text(place, mark.text, BLACK, font)


def _broken_frame(
    pen: ImageDraw.ImageDraw, frame: tuple[int, int, int, int], colour: str, unit: int
) -> None:
    left, top, right, bottom = frame
    for x in range(left, right, 8 * unit):
        for y in (top, bottom):
            pen.line((x, y, min(x + 4 * unit, right), y), fill=colour, width=unit)
    for y in range(top, bottom, 8 * unit):
        for x in (left, right):
            pen.line((x, y, x, min(y + 4 * unit, bottom)), fill=colour, width=unit)
