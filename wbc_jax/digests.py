"""SHA-256 of what is kept on disk, so that a single bit that changes there is noticed.

write_sealed_json(path, {"files": {"a": file_sha256(folder / "a")}})
content = read_sealed_json(path)            # raises Damage, naming the file
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wbc_jax.atomic_files import to_json, write_text

_SEAL = "sha256"


class Damage(Exception):  # noqa: N818 - it is what was found, not a fault of the program
    """A file is not as it was written; the message names it."""


class Unreadable(Damage):
    """A file is there, but the system does not give it: it may be whole."""


def file_sha256(path: Path) -> str:
    """Returns SHA-256 of a file's bytes as hex digits.

    Raises:
        Damage: it is not there; `Unreadable` where it is and cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise Damage(f"{path} is missing") from None
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({error.strerror})") from error


def write_sealed_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces the JSON file at `path`; its last field is the digest of the others."""
    write_text(path, _sealed(content))


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Returns what `write_sealed_json` was given.

    Raises:
        Damage: the file is missing or differs by a single bit from what was written; `Unreadable`
            where it is there and cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        content: dict[str, Any] = json.loads(text)
        content.pop(_SEAL)
        is_whole = _sealed(content) == text  # else something outside the fields has changed
    except FileNotFoundError:
        raise Damage(f"{path} is missing") from None
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damage(f"{path} is damaged, or of an earlier version (it holds no digest)") from error
    if not is_whole:
        raise Damage(f"{path} is damaged (its SHA-256 has changed)")
    return content


def _sealed(content: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(to_json(content).encode("utf-8")).hexdigest()
    return to_json({**content, _SEAL: digest}, indent=2) + "\n"
