"""Where the white cells of the original smears are, and of their copies: what windows are held to.

boxes = read_boxes(Path("bccd"))                              # drawn by people, by photograph
cells = cells_of(original, boxes.get("BloodImage_00012", []))
inside(moved(cells[0].body, matrix), (0, 0, 320, 240)).mean()         # share that is in view
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from wbc_jax.data.white_cell import find_nucleus
from wbc_jax.errors import UserError

Points = Float[np.ndarray, "n 2"]  # (x, y), pixels
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Cell:
    """A white cell of an original, scaled to the size of the copies.

    Attributes:
        center: of its box.
        body: points spread evenly over the ellipse in its box.
        nucleus: pixels of its nucleus; none where only its box is known.
    """

    center: Points
    body: Points
    nucleus: Points


def read_boxes(bccd_dir: Path) -> dict[str, list[Box]]:
    """Returns the boxes of white cells, in pixels, by the photograph's name.

    Raises:
        UserError: there are none.
    """
    boxes: dict[str, list[Box]] = {}
    for file in sorted(bccd_dir.rglob("BloodImage_*.xml")):
        for thing in ET.parse(file).getroot().iter("object"):
            if thing.findtext("name") == "WBC":
                sides = ("xmin", "ymin", "xmax", "ymax")
                left, top, right, bottom = (
                    float(thing.findtext(f"bndbox/{side}", "nan")) for side in sides
                )
                boxes.setdefault(file.stem, []).append((left, top, right, bottom))
    if not boxes:
        raise UserError(
            f"--bccd_dir={bccd_dir} has no BloodImage_*.xml with a WBC in it; name the folder of "
            "BCCD or leave the flag out"
        )
    return boxes


def cells_of(image: np.ndarray, boxes: Sequence[Box]) -> list[Cell]:
    """Returns the white cells of an original.

    Args:
        image: RGB, at the size of the copies.
        boxes: in pixels of the photograph at twice that size; the nucleus stands in for none.
    """
    nucleus = find_nucleus(image)
    pixels = np.zeros((0, 2)) if nucleus is None else np.argwhere(nucleus)[:, ::-1].astype(float)
    extents = [tuple(np.array(box) / 2) for box in boxes]
    if not boxes and len(pixels):
        extents = [(*pixels.min(axis=0), *pixels.max(axis=0))]
    cells = []
    for box in extents:
        center, radii = np.add(box[:2], box[2:])[None] / 2, np.subtract(box[2:], box[:2]) / 2
        across = np.linspace(-1, 1, 41)
        disc = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
        disc = disc[(disc**2).sum(axis=1) <= 1]
        own = len(pixels) > 0 and inside(pixels.mean(axis=0)[None], box).all()
        cells.append(Cell(center, center + disc * radii, pixels if own else pixels[:0]))
    return cells


def moved(points: Points, matrix: np.ndarray) -> Points:
    """Returns the points where an affine map puts them."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def inside(points: Points, box: Sequence[float]) -> np.ndarray:
    """Returns which points lie in a box of left, top, right and bottom, the last two exclusive."""
    x, y = points.T
    return (x >= box[0]) & (y >= box[1]) & (x < box[2]) & (y < box[3])
