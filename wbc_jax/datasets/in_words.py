"""Folders and zips in words: what lies there instead of what was looked for.

where_looked(data_dir, wanted="a folder TRAIN", layouts=("images",))     # lines of a message
listed(["a", "b", "c"], at_most=2)                                       # "a, b and 1 more"
"""

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from wbc_jax.datasets.archive_members import is_junk
from wbc_jax.datasets.image_tree import ZipTree, archives_in
from wbc_jax.errors import UserError
from wbc_jax.printable import printable


def describe(place: Path, *, at_most: int = 6) -> str:
    """Says what lies in a folder or zip instead of what was looked for."""
    if place.is_dir():
        refusals = {archive.name: _refusal(archive) for archive in archives_in(place)}
        names = [
            f"{entry.name}{'/' if entry.is_dir() else ''}{refusals.get(entry.name, '')}"
            for entry in sorted(place.iterdir())
            if not is_junk(entry.name)
        ]
    else:
        parted = (path.partition("/") for path in ZipTree(place).files())
        names = sorted({head + slash for head, slash, _ in parted})
    return listed([*map(printable, names)], at_most=at_most) if names else "nothing"


def where_looked(data_dir: Path | None, *, wanted: str, layouts: Iterable[str]) -> str:
    """Says where a set was looked for and what lies there instead, in lines of a message.

    Args:
        data_dir: what the user named, if anything.
        wanted: what was looked for, after "for".
        layouts: names of the places in it.
    """
    if data_dir is None:
        return "  looked    nowhere: no --data_dir and no WBC_DATA_DIR is given"
    return (
        f"  looked    in data_dir={data_dir} and its zips, for {wanted} in:\n"
        f"            {', '.join(layouts)}\n"
        f"  found     {describe(data_dir)}"
    )


def _refusal(archive: Path) -> str:
    """Returns what to say of an archive that is not read; nothing of one that is."""
    if not zipfile.is_zipfile(archive):
        return " (not a readable zip)"
    try:
        ZipTree(archive)
    except UserError as error:
        return f" ({error})"
    return ""


def listed(names: Sequence[str], *, at_most: int = 6) -> str:
    """Returns the first names and how many more there are."""
    more = len(names) - at_most
    return ", ".join(names[:at_most]) + (f" and {more} more" if more > 0 else "")
