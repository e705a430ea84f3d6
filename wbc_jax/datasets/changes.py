"""Whether a user's images are still those that a set was prepared from.

stamp(spec, data_dir)            # at the time; kept in the set's record
have_changed(record.stamp, spec, data_dir)

By names, sizes and times alone (in a zip by checksums), so that a start need not read the images.
"""

import hashlib
import importlib
from pathlib import Path
from types import ModuleType

from wbc_jax.datasets.catalog import DatasetSpec
from wbc_jax.errors import UserError


def source_of(spec: DatasetSpec) -> ModuleType:
    """Returns the module that finds a user's copy of a set."""
    package = spec.builder.partition(":")[0].rpartition(".")[0]
    return importlib.import_module(f"{package}.source")


def stamp(spec: DatasetSpec, place: Path | None) -> str | None:
    """Returns what differs once an image was added, taken away or changed.

    Args:
        spec: of the set.
        place: folder or zip in which its images are found; None where it has none.

    Returns:
        SHA-256 as hex digits; None of a set whose images are not the user's, or pinned, or not
        there.

    Raises:
        UserError: there is no such place, or it cannot be read.
    """
    if place is None or not spec.user_supplied or spec.is_pinned:
        return None
    tree = source_of(spec).find(place)
    if tree is None:
        return None
    lines = (f"{one}  {path}\n" for path, one in sorted(tree.stamps().items()))
    return hashlib.sha256("".join(lines).encode(errors="backslashreplace")).hexdigest()


def have_changed(before: str | None, spec: DatasetSpec, place: Path | None) -> bool:
    """Returns whether the images that are there now are not those of `before`.

    Args:
        before: the stamp of those that the set was prepared from.
        spec: of the set.
        place: as the user names it now. Without images of a published set there, what was prepared
            from another copy still counts.

    Raises:
        UserError: the set is the user's own, and is not at the place that is named.
    """
    try:
        now = stamp(spec, place)
    except UserError:
        if not spec.is_published:
            raise
        return False
    if now is None:  # where it is missed, preparing it says so
        return place is not None and not spec.is_published
    return now != before
