"""The files of a folder or zip whose first folders are the parts of a division.

parts = open_parts(Path("images"), wanted=())
parts.files                       # {"TEST": ("EOSINOPHIL/_0_12.jpeg", ...), "TRAIN": ...}
parts.read(Picture("TEST", "EOSINOPHIL/_0_12.jpeg"))
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wbc_jax.datasets.image_tree import FolderTree, ImageTree, ZipTree, is_there
from wbc_jax.datasets.in_words import listed
from wbc_jax.errors import UserError

_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}


class Picture(NamedTuple):
    """Where a picture is.

    Attributes:
        part: the part it belongs to.
        file: its path below that part, or its name in the data set.
    """

    part: str
    file: str


@dataclass(frozen=True)
class Parts:
    """The parts of a division on disk.

    Attributes:
        tree: the folder they lie in.
        files: part -> paths of its files below it, sorted; pictures and whatever else there is.
        beside: names of the files that lie beside the parts.
    """

    tree: ImageTree
    files: Mapping[str, Sequence[str]]
    beside: Sequence[str] = ()

    def read(self, picture: Picture) -> bytes:
        """Returns a file's bytes.

        Raises:
            UserError: it cannot be read.
        """
        return self.tree.read(f"{picture.part}/{picture.file}")


def open_parts(place: Path, wanted: Sequence[str]) -> Parts:
    """Finds the parts.

    Args:
        place: a folder, a zip, or a folder within a zip (`images.zip/blood_cells`).
        wanted: names of the parts to take; none: all there are.

    Raises:
        UserError: `place` is not there, a wanted part is not in it, there are not two, be it of
            those wanted, or what looks like the parts lies one level below and none is named.
    """
    tree = _open(place)
    there = tree.folders()
    unknown = [name for name in wanted if name not in there]
    if unknown:
        raise UserError(
            f"parts={unknown[0]} is not a folder of {tree.where}; there are: "
            f"{listed(there) or 'none'}"
        )
    others = [name for name in there if name not in wanted]
    if len(set(wanted)) == 1 and others:
        raise UserError(
            f"parts={wanted[0]} names only one folder, and it takes two to compare: add another, "
            f"as of {listed(others)}, or leave --parts out to compare all"
        )
    parts = {name: tree.below(name).files() for name in there if name in wanted or not wanted}
    parts = {name: files for name, files in parts.items() if files}
    if len(parts) < 2:
        raise UserError(
            f"input={place} must hold at least two folders with pictures, the parts to compare "
            f"such as train and test; there is {listed(sorted(parts)) or 'none'}: name the folder "
            "that holds them, in a zip as FILE.zip/FOLDER"
        )
    if not wanted:
        _require_outermost(tree, place)
    return Parts(tree, parts, tree.own_files())


def _require_outermost(tree: ImageTree, place: Path) -> None:
    """Raises UserError where every folder is divided once more: the classes come first."""
    below = {name: tree.below(name).folders() for name in tree.folders()}
    splits = {split for inner in below.values() for split in inner}
    if all(below.values()) and {split.lower() for split in splits} <= _SPLITS:
        raise UserError(
            f"input={place}: its first folders, {listed(sorted(below))}, would be compared, and in "
            f"each of them lie {listed(sorted(splits))}, which look like the parts. Put these "
            f"first ({sorted(splits)[0]}/{min(below)}/...), or name in --parts which of the first "
            "folders to compare all the same"
        )


def _open(place: Path) -> ImageTree:
    """Opens a folder, a zip or a folder within a zip."""
    there = next((path for path in (place, *place.parents) if is_there(path)), None)
    if there == place and place.is_dir():
        return FolderTree(place)
    archive = there if there is not None and there.is_file() else None
    if archive is None:
        raise UserError(f"input={place} does not exist: name a folder or a zip of pictures")
    if not zipfile.is_zipfile(archive):
        raise UserError(f"input={archive} is neither a folder nor a readable zip: name one")
    tree: ImageTree = ZipTree(archive)
    for folder in place.relative_to(archive).parts:
        if folder not in tree.folders():
            raise UserError(
                f"input={place}: {folder} is not a folder of {tree.where}; there are: "
                f"{listed(tree.folders()) or 'none'}"
            )
        tree = tree.below(folder)
    return tree
