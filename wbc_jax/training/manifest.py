"""What a checkpoint's folder holds: SHA-256 of every file and every array, so that damage shows.

write_manifest(folder, {"step": 120, "leaves": leaf_digests(state)})
content = read_manifest(folder)            # raises Damage, naming the file

Orbax itself restores flipped bits and zeroed blocks without a word.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wbc_jax.digests import Damage, file_sha256, read_sealed_json, write_sealed_json
from wbc_jax.errors import UserError

MANIFEST = "manifest.json"


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Writes `content` and the digests of all files in `folder`, and brings them to the disk.

    Args:
        folder: of one checkpoint, complete but for this file.
        content: plain values.
    """
    files = {name: file_sha256(folder / name) for name in _files(folder)}
    write_sealed_json(folder / MANIFEST, {**content, "files": files})
    for path in [folder, *folder.rglob("*")]:
        sync(path)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Returns what `write_manifest` was given, and `files`.

    Raises:
        Damage: a file is missing, is one too many or is not what was written; `Unreadable` where
            one is there and cannot be read.
    """
    content = read_sealed_json(folder / MANIFEST)
    known, present = content["files"], set(_files(folder))
    for name in sorted(present | known.keys()):
        if name not in known:
            raise Damage(f"{folder / name} was not part of the checkpoint")
        if file_sha256(folder / name) != known[name]:
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


def require_same_leaves(
    saved: Mapping[str, Any], expected: Mapping[str, Any], folder: Path
) -> None:
    """Compares names, shapes and dtypes: Orbax itself casts and reorders silently.

    Args:
        saved: what `leaf_types` says of the checkpoint.
        expected: the same of the state to be restored.
        folder: of the checkpoint, for the message.

    Raises:
        UserError: they differ.
    """

    def text(leaf: Mapping[str, Any] | None) -> str:
        return f"{tuple(leaf['shape'])} {leaf['dtype']}" if leaf else "nothing"

    differing = sorted(
        name
        for name in saved.keys() | expected.keys()
        if text(saved.get(name)) != text(expected.get(name))
    )
    if differing:
        name = differing[0]
        raise UserError(
            f"the checkpoint {folder} is of another model or optimizer: {len(differing)} arrays "
            f"differ, first {name}: saved {text(saved.get(name))}, expected "
            f"{text(expected.get(name))}; use the config it was trained with or another --workdir"
        )


def sync(path: Path) -> None:
    """Waits until a file or a folder's entries are on the disk, not only in memory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[str]:
    """Returns the files below `folder` but for the manifest, by their paths in it."""
    paths = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in paths if path.name != MANIFEST)
