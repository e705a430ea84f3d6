"""Where a user's copy of a set is that nobody else can hand out.

locate = partial(locate_copy, "lisc", find, About(wanted, LAYOUTS, _HOW_TO_GET))
locate(data_dir, cache_dir=cache, download=False)
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.datasets.in_words import where_looked
from wbc_jax.errors import UserError


class About(NamedTuple):
    """What a message says of a set that is not there.

    Attributes:
        wanted: what was looked for, after "for".
        layouts: where in the user's folder; "" is the folder itself.
        how_to_get: lines that say where to get it, where to put it and what works without.
    """

    wanted: str
    layouts: Sequence[str]
    how_to_get: str


def locate_copy(
    name: str,
    find: Callable[[Path], ImageTree | None],
    about: About,
    data_dir: Path | None,
    *,
    cache_dir: Path,
    download: bool,
) -> Path:
    """Returns the folder or zip in which `find` finds the set.

    Args:
        name: of the set.
        find: looks for the set in a folder or zip.
        about: it, for a message.
        data_dir: what the user named, if anything.
        cache_dir: not used: the set is never fetched.
        download: only makes the message say that it cannot be fetched.

    Raises:
        UserError: it is not there.
    """
    del cache_dir
    if data_dir is not None and find(data_dir) is not None:
        return data_dir
    layouts = (repr(layout) if layout else "data_dir itself" for layout in about.layouts)
    looked = where_looked(data_dir, wanted=about.wanted, layouts=layouts)
    refused = "\n  --download cannot help here: see below" if download else ""
    raise UserError(f"{name}: the images are not here.\n{looked}{refused}\n{about.how_to_get}")
