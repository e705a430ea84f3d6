"""The original smears behind the blood cell images: which there are, and which went into TEST.

    tree = find_originals(data_dir)
    originals = division(load_labels(tree), names(tree))      # the 351 that were divided
    image = read(tree, "BloodImage_00012")                    # at 320x240, as the copies

The published augmentation took the originals with exactly one class, in the order of `labels.csv`,
and divided them by one permutation. That is repeated here; what it yields is checked against the
content of the copies, see docs/provenance.md.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from wbc_jax.datasets import decoding, image_tree, in_words
from wbc_jax.datasets.decoding import UndecodableError
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.errors import UserError

CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")
SIZE = (320, 240)  # (width, height) of the copies, to which the originals were scaled first
LABELS = "labels.csv"
FOLDERS = ("Original_Images", "JPEGImages")

# Where that folder and `labels.csv` may stand in what the user names; earlier ones win.
LAYOUTS = (
    "blood_cells",
    "",
    "dataset-master/dataset-master",
    "dataset-master",
    "wbc-classification-*",
)
NUM_DIVIDED = 351
_NUM_TEST = 71
_SEED = 10


@dataclass(frozen=True, order=True)
class Original:
    """A smear that was divided.

    Attributes:
        name: such as `BloodImage_00012`.
        label: its class in capitals, as the folders of the copies are named.
        split: "TEST" or "TRAIN".
    """

    name: str
    label: str
    split: str


def find_originals(place: Path) -> ImageTree:
    """Returns the tree that holds the folder of originals and `labels.csv`.

    Args:
        place: folder or zip that the user named.

    Raises:
        UserError: they are not there.
    """
    tree = image_tree.find(place, LAYOUTS, lambda tree: _folder(tree) is not None)
    if tree is None:
        raise UserError(
            f"blood_cells: no original smears in data_dir={place}: neither {FOLDERS[0]} nor "
            f"dataset-master/{FOLDERS[1]} is there, only {in_words.describe(place)}. Both public "
            "sources of the images (see the builder's README.md) hold them"
        )
    return tree


def names(tree: ImageTree) -> tuple[str, ...]:
    """Returns the names of all originals, sorted."""
    files = tree.below(str(_folder(tree))).files()
    return tuple(sorted(file.removesuffix(".jpg") for file in files if file.endswith(".jpg")))


def read(tree: ImageTree, name: str) -> UInt8[np.ndarray, "240 320 3"]:
    """Returns an original in RGB, scaled to the size of the copies."""
    full = decode(tree.read(f"{_folder(tree)}/{name}.jpg"), f"{tree.where}/{name}.jpg")
    return np.asarray(cv2.resize(full, SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def decode(content: bytes, where: str) -> UInt8[np.ndarray, "h w 3"]:
    """Returns an encoded image in RGB.

    Raises:
        UserError: it is no image.
    """
    try:
        return np.array(decoding.decode(content))
    except UndecodableError as error:
        raise UserError(f"{where} is no readable image ({error}): fetch a fresh copy") from error


def load_labels(tree: ImageTree) -> Sequence[tuple[str, str]]:
    """Returns (original's name, its classes as written) in the order of `labels.csv`.

    Raises:
        UserError: the file is not there, is no text or has other columns.
    """
    content = tree.read(LABELS)
    try:
        text = content.decode("utf-8-sig")
        return [
            (f"BloodImage_{int(row['Image']):05d}", row["Category"].strip())
            for row in csv.DictReader(io.StringIO(text))
        ]
    except (KeyError, ValueError, AttributeError) as error:
        raise UserError(
            f"{tree.where}/{LABELS} must be UTF-8 with the columns Image (a number) and Category: "
            f"{error!r}"
        ) from error


def division(labels: Sequence[tuple[str, str]], present: Sequence[str]) -> Mapping[str, Original]:
    """Divides the originals into TEST and TRAIN as the published augmentation did.

    Args:
        labels: as `load_labels` returns them.
        present: names of the originals that exist.

    Returns:
        Name -> original, of those with exactly one class; basophils among them.

    Raises:
        UserError: there are not 351 of them: the permutation would be another one.
    """
    existing = set(present)
    single = [
        (name, label) for name, label in labels if label and "," not in label and name in existing
    ]
    if len(single) != NUM_DIVIDED:
        raise UserError(
            f"blood_cells: {len(single)} original smears have one class and a file, the published "
            f"division was made of {NUM_DIVIDED}: fetch the originals and {LABELS} anew"
        )
    order = np.random.RandomState(_SEED).permutation(NUM_DIVIDED).tolist()
    return {
        single[index][0]: Original(
            name=single[index][0],
            label=single[index][1],
            split="TEST" if place < _NUM_TEST else "TRAIN",
        )
        for place, index in enumerate(order)
    }


def _folder(tree: ImageTree) -> str | None:
    return next((folder for folder in FOLDERS if folder in tree.folders()), None)
