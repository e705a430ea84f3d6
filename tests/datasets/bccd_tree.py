"""A made-up tree of BCCD's layout: discs in place of cells, for tests."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw

SIZE = (160, 120)  # width, height
RADII = {"RBC": 12, "WBC": 20, "Platelets": 5}
STAINS = {"RBC": (205, 150, 150), "WBC": (90, 60, 150), "Platelets": (150, 110, 170)}

# Kind and ymin, xmin, ymax, xmax as Pascal VOC counts them.
Box = tuple[str, tuple[int, int, int, int]]


def write_bccd_tree(root: Path, *, train: int = 3, val: int = 2, seed: int = 0) -> Path:
    """Writes `root/BCCD` with photographs, annotations and splits; returns that folder.

    Args:
        root: folder to write into; made if it is not there.
        train: photographs of that split.
        val: the same.
        seed: of the drawings.
    """
    random = np.random.default_rng(seed)
    tree = root / "BCCD"
    names = [f"BloodImage_9{number:04d}" for number in range(train + val)]
    for name in names:
        boxes = draw_boxes(random)
        write_photograph(tree, name, boxes)
        write_annotation(tree, name, boxes)
    (tree / "ImageSets" / "Main").mkdir(parents=True)
    for split, part in (("train", names[:train]), ("val", names[train:])):
        (tree / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(part) + "\n")
    return tree


def draw_boxes(random: np.random.Generator) -> list[Box]:
    """Draws where a white cell, three red cells and two platelets lie, apart from each other."""
    places = [(20, 25), (20, 75), (20, 130), (60, 45), (95, 20), (95, 120)]
    kinds = ["WBC", "RBC", "RBC", "RBC", "Platelets", "Platelets"]
    boxes: list[Box] = []
    for place, kind in zip(random.permutation(places).tolist(), kinds, strict=True):
        row, column = max(place[0], RADII[kind]), place[1]
        radius = RADII[kind]
        box = (row - radius + 1, column - radius + 1, row + radius, column + radius)
        boxes.append((kind, box))
    return boxes


def write_photograph(tree: Path, name: str, boxes: Sequence[Box]) -> None:
    """Draws a disc in every box."""
    picture = Image.new("RGB", SIZE, (225, 222, 215))
    draw = ImageDraw.Draw(picture)
    for kind, (top, left, bottom, right) in boxes:
        draw.ellipse((left - 1, top - 1, right - 1, bottom - 1), fill=STAINS[kind])
    path = tree / "JPEGImages" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=95)


def write_annotation(
    tree: Path, name: str, boxes: Sequence[Box], *, size: tuple[int, int] = SIZE
) -> None:
    """Writes the XML as Pascal VOC has it."""
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = f"{name}.jpg"
    shape = ElementTree.SubElement(root, "size")
    for side, value in zip(("width", "height"), size, strict=True):
        ElementTree.SubElement(shape, side).text = str(value)
    for kind, box in boxes:
        element = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(element, "name").text = kind
        corners = ElementTree.SubElement(element, "bndbox")
        for corner, value in zip(("ymin", "xmin", "ymax", "xmax"), box, strict=True):
            ElementTree.SubElement(corners, corner).text = str(value)
    path = tree / "Annotations" / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path)
