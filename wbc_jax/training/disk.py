"""A disk that is full, broken or not ours is the user's to mend: such errors become messages.

with disk_errors_named(workdir):
    ...                                # whatever writes into it
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from wbc_jax.errors import OF_THE_DISK, UserError


def disk_error(place: Path, reason: str) -> UserError:
    """Returns what to raise where `place` could not be written because of `reason`."""
    return UserError(
        f"{place} cannot be written ({reason}); what was saved before is intact: make room, or "
        "write access, and give the same command again"
    )


def require_room(place: Path, needed: int) -> None:
    """Checks a disk before a library writes that would tell of a full one in pages of tracebacks.

    Args:
        place: the folder to write into.
        needed: bytes.

    Raises:
        UserError: there is less room.
    """
    if (free := shutil.disk_usage(place).free) < needed:
        full = os.strerror(errno.ENOSPC)
        raise disk_error(place, f"{full}: {free:,} bytes are free, {needed:,} needed")


@contextlib.contextmanager
def disk_errors_named(place: Path) -> Iterator[None]:
    """Raises a UserError for an error of the disk within the block.

    Args:
        place: the folder that the block writes into.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in OF_THE_DISK:
            raise
        where = Path(error.filename) if isinstance(error.filename, str) else place
        raise disk_error(where, error.strerror or str(error)) from error
