"""Where a user's own pictures are, of which class each is, and which belong to one smear.

tree = find(locate(Path("~/cells").expanduser(), cache_dir=cache, download=False))
pictures, bad = list_pictures(tree)
"""

import unicodedata
from functools import partial
from pathlib import Path
from typing import NamedTuple

from wbc_jax.datasets import catalog, image_tree, picture_names
from wbc_jax.datasets.bad_images import BadFile
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.datasets.locating import About, locate_copy
from wbc_jax.errors import UserError
from wbc_jax.printable import printable

# Where the folders by class may stand in what the user names.
LAYOUTS = ("", "*")
_UNPRINTABLE = {"Cc", "Cs"}  # control characters, and what stands for bytes that are no UTF-8
_CLASSES = catalog.CLASSES_WITH_BASOPHIL
_LEAST_FOLDERS = 2  # of classes: what has fewer is some other folder

_HOW_TO_GET = """\
  do        put the pictures of each class into a folder that is called by it, in any case, and
            those of one smear, slide or person into a folder of theirs within: monocyte/slide-3/
  without   python launch.py --config=configs/alexnet.py    (synthetic smears, no images needed)"""

_HOW_TAKEN = (
    "Pictures are known by their endings here, and archives within are not read: unpack them."
)


class Picture(NamedTuple):
    """One picture.

    Attributes:
        path: in the tree, such as `monocyte/slide-3/17.png`.
        label: index into the catalogue's classes.
        source: the folder it shares with others within its class's, whatever their classes and the
            case of its letters; the picture itself where it shares none.
    """

    path: str
    label: int
    source: str


def find(place: Path) -> ImageTree | None:
    """Returns the tree of the folder that holds those by class; None where there is none.

    Raises:
        UserError: there is no such place, or several folders in it hold some.
    """
    roots: list[ImageTree] = []

    def look_on(tree: ImageTree) -> bool:
        if _is_root(tree):
            roots.append(tree)
        return False  # to see them all

    image_tree.find(place, LAYOUTS, look_on)
    if len(roots) > 1:
        raise UserError(
            f"own: both {roots[0].where} and {roots[1].where} hold folders by class; name one with "
            "--data_dir, or put their pictures together in one, those of a smear in a folder within"
        )
    return roots[0] if roots else None


def list_pictures(tree: ImageTree) -> tuple[list[Picture], list[BadFile]]:
    """Returns the pictures in the order of their paths, and what cannot be taken for one.

    Files that are not named like pictures, such as notes and tables, are `passed_over`.

    Args:
        tree: of the folder that holds those by class.
    """
    pictures: list[Picture] = []
    bad: list[BadFile] = []
    for path in filter(picture_names.is_meant, tree.files()):
        *folders, _ = path.split("/")
        label = _label_of(folders[0]) if folders else None
        if label is None:
            bad.append(BadFile(printable(path), f"lies in no folder of {', '.join(_CLASSES)}"))
        elif any(unicodedata.category(letter) in _UNPRINTABLE for letter in path):
            bad.append(BadFile(printable(path), "its name cannot be printed: rename it"))
        elif not picture_names.is_read(path):
            bad.append(BadFile(path, "its format is not read here: save it as PNG"))
        else:
            smear = unicodedata.normalize("NFC", folders[1]).casefold() if folders[1:] else path
            pictures.append(Picture(path, label, smear))
    return pictures, bad


def passed_over(tree: ImageTree) -> list[str]:
    """Returns what a reader must know of the files that are not named like pictures."""
    files = [path for path in tree.files() if not picture_names.is_meant(path)]
    return [f"{note} {_HOW_TAKEN}" for note in picture_names.passed_over(files)]


def _label_of(folder: str) -> int | None:
    """Returns the class that a folder is called by: `Monocytes` is one of them."""
    name = folder.lower().removesuffix("s")
    return _CLASSES.index(name) if name in _CLASSES else None


def _is_root(tree: ImageTree) -> bool:
    labels = {_label_of(folder) for folder in tree.folders()} - {None}
    return len(labels) >= _LEAST_FOLDERS


_ABOUT = About(f"folders {', '.join(_CLASSES)}", LAYOUTS, _HOW_TO_GET)
locate = partial(locate_copy, "own", find, _ABOUT)
