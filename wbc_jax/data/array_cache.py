"""The arrays that are made of a split, kept on disk.

examples = load_cached(prepared, "TEST", settings, make, cache_dir=cache)     # Examples
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wbc_jax.data.array_files import read_arrays, write_arrays
from wbc_jax.data.examples import Examples
from wbc_jax.datasets.prepare import PreparedDataset, require_split
from wbc_jax.digests import Damage
from wbc_jax.errors import UserError

_log = logging.getLogger(__name__)
# Raised whenever the same settings give other pixels, as where `preprocessing.preprocess` changes.
_ARRAYS_VERSION = 2


def load_cached(
    prepared: PreparedDataset,
    split: str,
    settings: Any,
    make: Callable[[PreparedDataset, str, Any], Examples],
    *,
    cache_dir: Path,
    names: Sequence[str] = Examples._fields[:5],
) -> Examples:
    """Returns what `make` makes of a split, from the cache if it has been made before.

    The cache's key is made of the set's version, the digest of its content and the settings; a
    damaged file in it is made anew.

    Args:
        prepared: the set.
        split: of it.
        settings: a dataclass: what the arrays depend on besides.
        make: from the set, the split and the settings to its examples.
        cache_dir: where arrays are kept.
        names: the arrays that it makes.

    Raises:
        UserError: there is no such split, an image cannot be decoded, or the cache not be written.
    """
    start = time.perf_counter()
    path = _cache_path(prepared, split, settings, cache_dir)
    examples = _read(path, names)
    if examples is None:
        examples = make(prepared, split, settings)
        _write(path, {name: getattr(examples, name) for name in names})
    seconds = time.perf_counter() - start
    _log.info("%s %s: %d images in %.2f s", prepared.spec.name, split, len(examples.label), seconds)
    return examples


def _cache_path(prepared: PreparedDataset, split: str, settings: Any, cache_dir: Path) -> Path:
    require_split(prepared, split)
    key = {
        "arrays": _ARRAYS_VERSION,
        "digest": prepared.splits[split].digest,
        "version": prepared.spec.version,  # the digest does not cover `source`
        "classes": prepared.spec.classes,
        **asdict(settings),
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    return cache_dir / "arrays" / f"{prepared.spec.name.replace('/', '-')}-{split}-{name}.npz"


def _read(path: Path, names: Sequence[str]) -> Examples | None:
    if not path.exists():
        return None
    try:
        return Examples(**dict(zip(names, read_arrays(path, names), strict=True)))
    except Damage as damage:
        _log.warning("cached arrays %s: making them anew", damage)
        return None


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    try:
        write_arrays(path, arrays)
    except OSError as error:
        raise UserError(
            f"cache_dir: {path.parent} cannot be written ({error.strerror}); free some space or "
            "name another folder with --cache_dir or WBC_CACHE_DIR"
        ) from error
