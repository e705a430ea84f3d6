"""Annotations in the form of Pascal VOC: one XML file per photograph, one box per cell.

annotation = parse(tree.read("Annotations/BloodImage_00001.xml"))
annotation.cells[0].kind, annotation.cells[0].box         # "RBC", (ymin, xmin, ymax, xmax)
"""

from typing import NamedTuple
from xml.etree import ElementTree

from wbc_jax.datasets.catalog import CELL_KINDS

_CORNERS = ("ymin", "xmin", "ymax", "xmax")


class AnnotationError(ValueError):
    """The bytes are no annotation that can be used; the message says why, in one line."""


class BoxedCell(NamedTuple):
    """A cell and its box.

    Attributes:
        kind: one of `CELL_KINDS`.
        box: ymin, xmin, ymax, xmax in pixels: the edges, so that a box over the whole picture is
            (0, 0, height, width).
    """

    kind: str
    box: tuple[int, int, int, int]

    @property
    def center(self) -> tuple[float, float]:
        """Row and column of the middle; 0 is the middle of the first pixel."""
        top, left, bottom, right = self.box
        return (top + bottom - 1) / 2, (left + right - 1) / 2


class Annotation(NamedTuple):
    """What is annotated in one photograph.

    Attributes:
        height: of the photograph, pixels.
        width: the same.
        cells: those with a box that has an area.
        dropped: those without one, in words.
    """

    height: int
    width: int
    cells: tuple[BoxedCell, ...]
    dropped: tuple[str, ...]


def parse(encoded: bytes) -> Annotation:
    """Reads one annotation.

    Pascal VOC counts pixels from 1 and a box includes both its corners; a box of one column or row
    has its corners in one place and is what somebody clicked by mistake: it is dropped.

    Args:
        encoded: the XML file's bytes.

    Raises:
        AnnotationError: it is no XML, declares entities, lacks a field, names another kind of cell,
            or has a box that reaches out of the photograph.
    """
    if b"\0" in encoded:  # two bytes a letter would hide from the next rule
        raise AnnotationError("it is not in UTF-8, as annotations are")
    if b"<!DOCTYPE" in encoded or b"<!ENTITY" in encoded:
        raise AnnotationError("it declares a document type, which no annotation needs")
    try:
        root = ElementTree.fromstring(encoded)
    except (
        ElementTree.ParseError,
        ValueError,
        LookupError,
    ) as error:  # e.g. of the encoding
        raise AnnotationError(f"no XML that can be read ({error})") from error
    height, width = (_number(root, f"size/{side}") for side in ("height", "width"))
    cells, dropped = [], []
    for element in root.iterfind("object"):
        kind = (element.findtext("name") or "").strip()
        if kind not in CELL_KINDS:
            raise AnnotationError(f"a cell of kind {kind!r:.40}; known are {', '.join(CELL_KINDS)}")
        top, left, bottom, right = (_number(element, f"bndbox/{name}") for name in _CORNERS)
        if top < 0 or left < 0 or bottom > height or right > width:
            raise AnnotationError(
                f"the box {top, left, bottom, right} reaches out of {height}x{width} pixels"
            )
        if bottom <= top or right <= left:
            dropped.append(f"{kind} at row {top}, column {left}: its box has no area")
        else:
            cells.append(BoxedCell(kind, (max(top - 1, 0), max(left - 1, 0), bottom, right)))
    return Annotation(height, width, tuple(cells), tuple(dropped))


def _number(element: ElementTree.Element, path: str) -> int:
    text = element.findtext(path)
    try:
        return int(text or "")
    except ValueError:
        raise AnnotationError(f"{path} is {text!r:.40}, must be a whole number") from None
