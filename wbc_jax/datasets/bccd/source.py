"""Where a user's copy of BCCD is, and which photographs belong to which split.

tree = find(locate(Path("~/BCCD_Dataset").expanduser(), cache_dir=cache, download=False))
list_photographs(tree)         # {"train": [Photograph("BloodImage_00001", ...)], "val": [...]}
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wbc_jax.datasets import image_tree
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.datasets.in_words import listed
from wbc_jax.datasets.locating import About, locate_copy
from wbc_jax.errors import UserError

IMAGES, ANNOTATIONS, IMAGE_SETS = "JPEGImages", "Annotations", "ImageSets"
SPLITS = ("train", "val")  # trainval.txt is both together

# Where the three folders may stand in what the user names, in any case of letters.
LAYOUTS = ("BCCD", "", "bccd/BCCD", "BCCD_Dataset*/BCCD")

_HOW_TO_GET = """\
  get it    the public repository github.com/Shenggan/BCCD_Dataset, its folder BCCD
  put it    anywhere, as a folder or as the zip, and name it with --data_dir or WBC_DATA_DIR
  without   python launch.py --config=configs/detector.py    (synthetic smears, no images needed)"""


@dataclass(frozen=True)
class Photograph:
    """One photograph of the set.

    Attributes:
        name: such as `BloodImage_00001`.
        image: its path in the set's tree.
        annotation: the path of its annotation.
    """

    name: str
    image: str
    annotation: str


def find(place: Path) -> ImageTree | None:
    """Returns the tree of the folder that holds `JPEGImages`; None where there is none."""
    return image_tree.find(place, LAYOUTS, _is_set)


def list_photographs(tree: ImageTree) -> dict[str, list[Photograph]]:
    """Returns the photographs of each split, in the order of their names.

    Args:
        tree: of the folder that holds `JPEGImages`.

    Raises:
        UserError: the file of a split is missing, no plain text, empty, or names one twice.
    """
    files = set(tree.files())
    return {split: _photographs_of(tree, files, split) for split in SPLITS}


def _photographs_of(tree: ImageTree, files: set[str], split: str) -> list[Photograph]:
    path = f"{IMAGE_SETS}/Main/{split}.txt"
    if path not in files:
        raise UserError(
            f"bccd: {tree.where}/{path} is missing, which says what belongs to split {split}: "
            "fetch the set again in full"
        )
    try:
        names = sorted(tree.read(path).decode("ascii").split())
    except UnicodeDecodeError as error:
        raise UserError(
            f"bccd: {tree.where}/{path} is no list of file names ({error}): fetch the set again"
        ) from error
    if not names:
        raise UserError(f"bccd: {tree.where}/{path} names no image: fetch the set again in full")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"bccd: {tree.where}/{path} names {listed(twice)} twice")
    return [Photograph(n, f"{IMAGES}/{n}.jpg", f"{ANNOTATIONS}/{n}.xml") for n in names]


def _is_set(tree: ImageTree) -> bool:
    return {IMAGES, ANNOTATIONS, IMAGE_SETS} <= set(tree.folders())


_ABOUT = About(f"folders {IMAGES}, {ANNOTATIONS} and {IMAGE_SETS}", LAYOUTS, _HOW_TO_GET)
locate = partial(locate_copy, "bccd", find, _ABOUT)
