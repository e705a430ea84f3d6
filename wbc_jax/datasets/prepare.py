"""Prepares a data set once with TFDS, then reads it back: the same way for every set.

    prepared = prepare("blood_cells", data_dir=Path("~/wbc").expanduser(), cache_dir=cache)
    prepared.splits["TEST"].num_examples     # 2487
    for example in read_split(prepared, "TEST"):
        example.image, example.label, example.filename, example.source

What is prepared lies under `cache_dir/tfds/<name>/<version>`. A set counts as prepared when its
`prepared.json` is there, which is written last and in one step. Only building and reading
import TFDS; asking for what is already prepared takes milliseconds.
"""

import contextlib
import errno
import fcntl
import hashlib
import importlib
import io
import json
import logging
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wbc_jax.atomic_files import write_json
from wbc_jax.datasets import catalog
from wbc_jax.datasets.catalog import DatasetSpec
from wbc_jax.datasets.records import (
    Example,
    quiet_absl,
    read_examples,
    read_features,
    stored_splits,
)
from wbc_jax.errors import UserError

_log = logging.getLogger(__name__)
_RECORD = "prepared.json"
_RECORD_FORMAT = 1
# TFDS keeps the word "all" for the union of its splits: a split that is truly called so is
# stored under another name.
_STORED_NAMES = {"all": "labelled"}


@dataclass(frozen=True)
class SplitInfo:
    """One split as it was written.

    Attributes:
        num_examples: how many examples it holds.
        digest: `content_digest` of them, read back after writing.
    """

    num_examples: int
    digest: str


@dataclass(frozen=True)
class PreparedDataset:
    """A data set that is ready to read.

    Attributes:
        spec: what set it is.
        path: the folder of its records.
        splits: its splits by name.
    """

    spec: DatasetSpec
    path: Path
    splits: Mapping[str, SplitInfo]


def prepare(
    name: str, *, data_dir: Path | None, cache_dir: Path, download: bool = False
) -> PreparedDataset:
    """Returns the data set `name`, building it first where that has not been done.

    A set already prepared is returned as it is, whatever `data_dir` now holds: to prepare a
    changed set anew, delete its folder below `cache_dir/tfds`.

    Args:
        name: a name of `catalog.DATASETS`.
        data_dir: folder or zip of a user's images; only read. None: the user named none.
        cache_dir: where prepared sets are kept; made if it is not there.
        download: fetch the images where they are not found and their licence allows it.

    Raises:
        UserError: the name is not known, the images are not found or are not what they should
            be, or `cache_dir` cannot be written.
    """
    spec = catalog.get(name)
    path = Path(cache_dir) / "tfds" / spec.name / spec.version
    splits = _read_record(path, spec)
    if splits is None:
        with _only_one_process(path):
            splits = _read_record(path, spec)  # another process may have built it meanwhile
            if splits is None:
                source = _locate(spec, data_dir, Path(cache_dir), download)
                _clear(path)
                _build(spec, path, source)
                splits = _write_record(path, spec, source)
    return PreparedDataset(spec=spec, path=path, splits=splits)


def read_split(prepared: PreparedDataset, split: str) -> Iterator[Example]:
    """Yields the examples of one split, always in the same order.

    Raises:
        UserError: there is no such split.
    """
    return read_examples(prepared.path, _stored_name(prepared, split))


def read_records(prepared: PreparedDataset, split: str) -> Iterator[dict[str, Any]]:
    """Yields every feature of the examples of one split; images stay encoded bytes.

    For features that `Example` does not carry, such as LISC's `mask`.

    Raises:
        UserError: there is no such split.
    """
    return read_features(prepared.path, _stored_name(prepared, split))


def content_digest(hashes: Iterable[tuple[str, str]]) -> str:
    """Returns SHA-256 over the lines "<hash>  <filename>", sorted by filename, as hex digits.

    Args:
        hashes: (filename, SHA-256 of the file's bytes as hex digits), in any order.
    """
    lines = (f"{sha256}  {filename}\n" for filename, sha256 in sorted(hashes))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _stored_name(prepared: PreparedDataset, split: str) -> str:
    if split not in prepared.splits:
        raise UserError(
            f"split {split!r} is not in {prepared.spec.name}; there are: "
            f"{', '.join(prepared.splits)}"
        )
    return _STORED_NAMES.get(split, split)


def _locate(spec: DatasetSpec, data_dir: Path | None, cache_dir: Path, download: bool) -> Any:
    if not spec.user_supplied:
        return None
    package = spec.builder.partition(":")[0].rpartition(".")[0]
    module = importlib.import_module(f"{package}.source")
    return module.locate(data_dir, cache_dir=cache_dir, download=download)


def _build(spec: DatasetSpec, path: Path, source: Path | None) -> None:
    import tensorflow_datasets as tfds

    module, _, attribute = spec.builder.partition(":")
    builder_class = getattr(importlib.import_module(module), attribute)
    _, _, config = spec.name.partition("/")
    root = path.parents[len(Path(spec.name).parts)]
    builder = builder_class(data_dir=root, config=config or None)
    if Path(builder.data_dir) != path:
        raise RuntimeError(f"{spec.builder} writes to {builder.data_dir}; by the catalogue: {path}")
    if source is not None:
        builder.place = source
    _log.info("preparing %s in %s", spec.name, path)
    tfds.display_progress_bar(sys.stderr.isatty())
    try:
        # TFDS announces itself on standard output, which belongs to the caller's results.
        with contextlib.redirect_stdout(io.StringIO()), quiet_absl():
            builder.download_and_prepare(
                file_format="array_record",
                download_dir=root / "downloads",
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise UserError(
                f"cache_dir={root.parent} has no space left to prepare {spec.name}; free some or "
                "name another disk with --cache_dir"
            ) from error
        raise


def _write_record(path: Path, spec: DatasetSpec, source: Path | None) -> dict[str, SplitInfo]:
    public_names = {stored: name for name, stored in _STORED_NAMES.items()}
    splits: dict[str, Any] = {}
    for stored_name in stored_splits(path):
        hashes, labels = [], Counter[str]()
        for example in read_examples(path, stored_name):
            hashes.append((example.filename, hashlib.sha256(example.image).hexdigest()))
            labels["none" if example.label < 0 else spec.classes[example.label]] += 1
        splits[public_names.get(stored_name, stored_name)] = {
            "num_examples": len(hashes),
            "digest": content_digest(hashes),
            "labels": dict(sorted(labels.items())),
        }
    record = {
        **{"format": _RECORD_FORMAT, "name": spec.name, "version": spec.version},
        "source": None if source is None else str(source),
        "splits": splits,
        "files": {file.name: file.stat().st_size for file in sorted(path.iterdir())},
    }
    write_json(path / _RECORD, record)
    _log.info("prepared %s: %s", spec.name, {k: v["labels"] for k, v in splits.items()})
    return _split_infos(splits)


def _read_record(path: Path, spec: DatasetSpec) -> dict[str, SplitInfo] | None:
    """Returns the splits recorded at `path`; None where nothing whole is prepared there."""
    if not (path / _RECORD).is_file():
        return None
    try:
        record = json.loads((path / _RECORD).read_text(encoding="utf-8"))
        expected = (_RECORD_FORMAT, spec.name, spec.version)
        if (record["format"], record["name"], record["version"]) != expected:
            return None
        splits = _split_infos(record["splits"])
        for name, size in record["files"].items():
            if (path / name).stat().st_size != size:
                raise ValueError(f"{name} has changed its size")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("prepared set %s is damaged (%s): preparing it anew", path, error)
        return None
    _log.info("%s is prepared in %s, from %s", spec.name, path, record.get("source"))
    return splits


def _split_infos(splits: Mapping[str, Any]) -> dict[str, SplitInfo]:
    return {k: SplitInfo(int(v["num_examples"]), str(v["digest"])) for k, v in splits.items()}


def _clear(path: Path) -> None:
    """Removes what an interrupted or damaged preparation left; only its own names are touched."""
    for leftover in (path, *path.parent.glob(f"incomplete.*_{path.name}")):
        shutil.rmtree(leftover, ignore_errors=not leftover.exists())


@contextlib.contextmanager
def _only_one_process(path: Path) -> Iterator[None]:
    """Holds the lock of a prepared set, so that the runs of a sweep build it once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = (path.parent / f".{path.name}.lock").open("w")
    except OSError as error:
        raise UserError(
            f"cache_dir: {path.parent} cannot be written ({error.strerror}); name a folder of "
            "your own with --cache_dir or WBC_CACHE_DIR"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("another process is preparing %s: waiting for it", path)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield  # closing the file, also by the death of the process, frees the lock
