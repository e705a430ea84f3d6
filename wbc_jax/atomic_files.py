"""Writes files whole or not at all: to a temporary name in the same folder, then renamed.

write_text(path, "...")
write_json(path, {"accuracy": 0.97})
with replacing(path) as temporary:                     # for what is not in memory at once
    ...
"""

import contextlib
import glob
import json
import math
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_ENDING, _TOKEN = ".tmp", 8  # bytes


def temporary_name(path: Path) -> Path:
    """Returns a name in the same folder, drawn anew by every call.

    A process number would not do: containers that share a folder have the same ones.
    """
    return path.with_name(f".{path.name}.{secrets.token_hex(_TOKEN)}{_ENDING}")


def remove_leftovers(path: Path) -> None:
    """Removes files and folders that a killed process has left under temporary names of `path`.

    To be called where no other process writes it.
    """
    token = "[0-9a-f]" * (2 * _TOKEN)
    for rest in path.parent.glob(f".{glob.escape(path.name)}.{token}{_ENDING}"):
        if rest.is_dir():
            shutil.rmtree(rest, ignore_errors=True)
        else:
            rest.unlink(missing_ok=True)


def is_temporary(name: str) -> bool:
    """Whether a file has such a name: where nothing is being written, a process was killed."""
    return name.startswith(".") and name.endswith(_ENDING)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary name for a file that is at `path` after the block, unless that failed.

    The folder is made where it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # as writing on a full disk
            error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):  # the block's own error says more
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the file at `path`; its folder is made where it is missing."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replaces the text file at `path` (UTF-8, line ends as given).

    What UTF-8 cannot hold, such as a file's name in another encoding, becomes an escape, which
    JSON reads back as it was.
    """
    write_bytes(path, content.encode("utf-8", errors="backslashreplace"))


def to_json(content: Any, *, indent: int | None = None) -> str:
    """Returns JSON text: tuples as arrays, a float that is no number as null."""
    return json.dumps(_plain(content), indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: Path, content: Any) -> None:
    """Replaces the JSON file at `path`."""
    write_text(path, to_json(content, indent=2) + "\n")


def _plain(content: Any) -> Any:
    """Replaces what JSON does not know: infinities, NaN, tuples, keys that are no text."""
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
