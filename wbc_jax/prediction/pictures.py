"""The pictures that a user names: one file, a folder with all below it, or a zip.

pictures = find_pictures(Path("smears"))
pictures.names                                # ("a/1.png", "b/2.tif", ...)
pictures.folder_of("a/1.png")                 # "a"
encoded = pictures.read("a/1.png")
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wbc_jax.datasets.image_tree import FolderTree, ImageTree, ZipTree, is_there
from wbc_jax.datasets.picture_names import is_meant
from wbc_jax.errors import UserError

HERE = "."


class Pictures(NamedTuple):
    """Files that may be pictures.

    Attributes:
        names: their paths below the place named, sorted.
        read: from a name to the file's bytes; raises UserError where it cannot be read.
    """

    names: tuple[str, ...]
    read: Callable[[str], bytes]

    @property
    def folder_of(self) -> Callable[[str], str]:
        """What says in which folder a picture lies: the uppermost that tells any of them apart.

        A folder around all of them, as most zips have, says nothing. Of pictures beside the
        folders it says `HERE`. Files that are not named like pictures tell nothing apart.
        """
        named = [name for name in self.names if is_meant(name)] or self.names
        paths = [name.split("/")[:-1] for name in named]
        first, last = min(paths), max(paths)
        shared = [a == b for a, b in zip(first, last, strict=False)]
        depth = [*shared, False].index(False)
        return lambda name: [*name.split("/")[:-1], *[HERE] * (depth + 1)][depth]


def find_pictures(place: Path) -> Pictures:
    """Returns what lies at a place; nothing is decoded yet.

    Raises:
        UserError: there is nothing, or no file in it.
    """
    if not is_there(place):
        raise UserError(f"input={place} does not exist: name a picture, a folder of them or a zip")
    if not place.is_dir() and place.suffix.lower() != ".zip":
        return Pictures((place.name,), FolderTree(place.parent).read)
    tree: ImageTree = FolderTree(place) if place.is_dir() else ZipTree(place)
    names = tree.files()
    if not names:
        raise UserError(f"input={place} holds no file: name a folder or zip of pictures")
    return Pictures(names, tree.read)
