"""What a checkpoint's folder holds: SHA-256 of every file and every array, so that damage shows.

write_manifest(folder, {"step": 120, "leaves": leaf_digests(state)})
content = read_manifest(folder)            # raises Damage, naming the file

Orbax itself restores flipped bits and zeroed blocks without a word.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wbc_jax.atomic_files import to_json, write_text

MANIFEST = "manifest.json"


class Damage(Exception):  # noqa: N818 - it is what was found, not a fault of the program
    """A file of a checkpoint is not as it was written; the message names it."""


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Writes `content` and the digests of all files in `folder`, and brings them to the disk.

    Args:
        folder: of one checkpoint, complete but for this file.
        content: plain values.
    """
    content = {**content, "files": {name: _digest(folder / name) for name in _files(folder)}}
    text = to_json(content)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    write_text(folder / MANIFEST, f"{digest}\n{text}\n")
    for path in [folder, *folder.rglob("*")]:
        sync(path)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Returns what `write_manifest` was given, and `files`.

    Raises:
        Damage: a file is missing, is one too many or is not what was written.
    """
    content = _read_content(folder / MANIFEST)
    known, present = content["files"], set(_files(folder))
    for name in sorted(present | known.keys()):
        if name not in present:
            raise Damage(f"{folder / name} is missing")
        if name not in known:
            raise Damage(f"{folder / name} was not part of the checkpoint")
        try:
            digest = _digest(folder / name)
        except OSError as error:
            raise Damage(f"{folder / name} cannot be read ({error.strerror})") from error
        if digest != known[name]:
            raise Damage(f"{folder / name} is damaged (its SHA-256 has changed)")
    return content


def leaf_digests(tree: Any) -> dict[str, dict[str, Any]]:
    """Returns shape, dtype and SHA-256 of the bytes of every array, by its path."""
    return {
        name: description | {"sha256": hashlib.sha256(np.asarray(leaf).tobytes()).hexdigest()}
        for (name, description), leaf in zip(
            leaf_types(tree).items(), jax.tree.leaves(tree), strict=True
        )
    }


def leaf_types(tree: Any) -> dict[str, dict[str, Any]]:
    """Returns shape and dtype of every array, or of what stands for one, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): {
            "shape": list(leaf.shape),
            "dtype": str(leaf.dtype),
        }
        for path, leaf in leaves
    }


def sync(path: Path) -> None:
    """Waits until a file or a folder's entries are on the disk, not only in memory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_content(path: Path) -> dict[str, Any]:
    try:
        digest, text = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except OSError as error:
        raise Damage(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise Damage(f"{path} is damaged (it is not two lines of text)") from error
    if hashlib.sha256(text.encode("utf-8")).hexdigest() != digest:
        raise Damage(f"{path} is damaged (its SHA-256 has changed)")
    content: dict[str, Any] = json.loads(text)
    return content


def _files(folder: Path) -> list[str]:
    """Returns the files below `folder` but for the manifest, by their paths in it."""
    paths = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in paths if path.name != MANIFEST)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
