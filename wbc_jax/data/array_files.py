"""Arrays on disk with SHA-256 of the whole file: one bit that changes there is noticed.

write_arrays(path, {"image": images, "label": labels})
arrays = read_arrays(path, ("image", "label"))         # raises Damage, naming the file

The file is an ordinary `.npz`, which NumPy alone opens too: the digest of all bytes before it
stands at its end, as the comment that a zip may have.
"""

import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wbc_jax.atomic_files import replacing
from wbc_jax.digests import Damage

_DIGITS = 64  # of a SHA-256 in hexadecimal
_CHUNK = 1 << 20  # bytes


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Replaces the file at `path`, whole or not at all; its folder is made.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w+b") as file:
        np.savez(file, allow_pickle=False, **arrays)
        with zipfile.ZipFile(file, "a") as archive:
            archive.comment = b"0" * _DIGITS  # what follows is of its length
        digest = _digest_of_content(file)
        file.seek(-_DIGITS, os.SEEK_END)
        file.write(digest)


def read_arrays(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Returns the arrays of those names; anything else than plain numbers and text is refused.

    Raises:
        Damage: the file is not as it was written, or holds other arrays.
    """
    try:
        with path.open("rb") as file:
            digest = _digest_of_content(file)
            if file.read(_DIGITS) != digest:
                raise Damage(f"{path} is damaged, or of an earlier version (its SHA-256 is wrong)")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return [arrays[name] for name in names]
    except OSError as error:
        raise Damage(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise Damage(f"{path} holds no such arrays ({error})") from error


def _digest_of_content(file: BinaryIO) -> bytes:
    """Returns SHA-256 of all but the last digits, before which it leaves the file's position."""
    left = max(0, file.seek(0, os.SEEK_END) - _DIGITS)
    file.seek(0)
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(left, _CHUNK)))
    while left:
        count = file.readinto(buffer[: min(left, _CHUNK)])  # type: ignore[attr-defined]
        if not count:
            break
        digest.update(buffer[:count])
        left -= count
    return digest.hexdigest().encode("ascii")
