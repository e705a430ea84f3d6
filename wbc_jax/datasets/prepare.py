"""Prepares a data set once with TFDS, then reads it back: the same way for every set.

    prepared = prepare("blood_cells", Places(Path("~/wbc").expanduser(), cache))
    prepared.splits["TEST"].num_examples     # 2487
    for example in read_split(prepared, "TEST"):
        example.image, example.label, example.filename, example.source

What is prepared lies under `cache_dir/tfds/<name>/<version>`. A set counts as prepared when its
`prepared.json` is there, which is written last and in one step. Only building and reading
import TFDS; asking for what is already prepared takes milliseconds, and a look at the user's files
where these are not pinned. What was damaged since is noticed, there or when it is read, and
prepared anew; so is a set whose images have changed.
"""

import contextlib
import errno
import importlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from wbc_jax.datasets import bad_images, catalog, changes
from wbc_jax.datasets.bad_images import BadFile
from wbc_jax.datasets.catalog import DatasetSpec
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepared_record import (
    Record,
    SplitInfo,
    check_files,
    read_record,
    stored_name,
    write_record,
)
from wbc_jax.datasets.records import Example, quiet_absl, read_examples, read_features
from wbc_jax.datasets.replacing import bring_back, in_place_of
from wbc_jax.digests import Damage
from wbc_jax.errors import UserError
from wbc_jax.file_lock import only_one

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedDataset:
    """A data set that is ready to read.

    Attributes:
        spec: what set it is.
        path: the folder of its records.
        splits: its splits by name.
        left_out: files of the user's copy that could not be used and are not in it.
        notes: what to know of files there that were not taken for images at all.
        mend: makes sure of a split's files before they are read, preparing them anew if need be.
    """

    spec: DatasetSpec
    path: Path
    splits: Mapping[str, SplitInfo]
    left_out: tuple[BadFile, ...] = ()
    notes: tuple[str, ...] = ()
    mend: Callable[[str], None] = field(default=lambda split: None, compare=False, repr=False)


def prepare(name: str, places: Places) -> PreparedDataset:
    """Returns the data set `name`, building it first where that has not been done.

    A set already prepared is returned as it is, unless `places.data_dir` holds other images of it
    by now, by their names, sizes or times: then it is prepared anew, in place of the earlier.

    Args:
        name: a name of `catalog.DATASETS`.
        places: of its images, and of what is prepared.

    Raises:
        UserError: the name is not known, the images are not found or are not what they should
            be, files of the prepared set were left out and must not be, or `cache_dir` cannot be
            written.
    """
    bad_images.require_known(places.on_bad_image)
    spec = catalog.get(name)
    path = places.cache_dir / "tfds" / spec.name / spec.version

    def build(damage: Damage | None) -> Record:
        return _build_anew(spec, path, places, damage)

    record, damage = _look_at_current(path, spec, places)
    if record is None:
        with _only_one_process(path):
            bring_back(path, lambda: _look_at(path, spec)[0] is not None)
            # Another process may have built it meanwhile.
            record, damage = _look_at_current(path, spec, places)
            if record is None:
                record = build(damage)
    else:
        _log.info("%s is prepared in %s, from %s", spec.name, path, record.source)
    if record.left_out and places.on_bad_image == "error":
        raise UserError(
            f"{path} was prepared without some bad files, {len(record.left_out)} in all: "
            f"{bad_images.summary(record.left_out)}. Add --on_bad_image=skip to use it without "
            "them; or mend them, and delete that folder where it is still used at the next start"
        )
    mend = partial(_mend, spec, path, record.splits, build)
    return PreparedDataset(spec, path, record.splits, record.left_out, record.notes, mend)


def read_split(prepared: PreparedDataset, split: str) -> Iterator[Example]:
    """Yields the examples of one split, always in the same order.

    Raises:
        UserError: there is no such split, or it is damaged and cannot be prepared anew.
    """
    _require_readable(prepared, split)
    return read_examples(prepared.path, stored_name(split))


def read_records(prepared: PreparedDataset, split: str) -> Iterator[dict[str, Any]]:
    """Yields every feature of the examples of one split; images stay encoded bytes.

    For features that `Example` does not carry, such as LISC's `mask`.

    Raises:
        UserError: as `read_split`.
    """
    _require_readable(prepared, split)
    return read_features(prepared.path, stored_name(split))


def require_split(prepared: PreparedDataset, split: str) -> None:
    """Raises UserError where a set has no such split."""
    if split not in prepared.splits:
        raise UserError(
            f"split {split!r} is not in {prepared.spec.name}; there are: "
            f"{', '.join(prepared.splits)}"
        )


def _require_readable(prepared: PreparedDataset, split: str) -> None:
    require_split(prepared, split)
    prepared.mend(split)


def _look_at(path: Path, spec: DatasetSpec) -> tuple[Record | None, Damage | None]:
    """Returns the record of what is prepared whole, and what is wrong where there is none."""
    try:
        return read_record(path, spec), None
    except Damage as damage:
        return None, damage
    except OSError:  # no folder can be there; making it says so
        return None, None


def _look_at_current(
    path: Path, spec: DatasetSpec, places: Places
) -> tuple[Record | None, Damage | None]:
    """Returns the record of what is prepared whole, of the images that are there now, or damage."""
    record, damage = _look_at(path, spec)
    if record is not None and changes.have_changed(record.stamp, spec, places.data_dir):
        _log.info("%s: not the images that %s was prepared from", places.data_dir, path)
        return None, None
    return record, damage


def _mend(
    spec: DatasetSpec,
    path: Path,
    splits: Mapping[str, SplitInfo],
    build: Callable[[Damage], Record],
    split: str,
) -> None:
    """Checks the files that reading a split needs; prepares the set anew where one is damaged.

    Raises:
        UserError: it was made of other images meanwhile, here or by another process.
    """

    def find_damage() -> Damage | None:
        record, damage = _look_at(path, spec)
        try:
            if record is None:
                return damage or Damage(f"{path} is missing")
            require_same(record)
            check_files(path, record, split)
        except Damage as found:
            return found
        return None

    def require_same(record: Record) -> None:
        if record.splits != splits:
            raise UserError(
                f"{path} has been prepared anew, from images that are not those of before: start "
                "again to use the new ones, in a new --workdir"
            )

    if find_damage() is None:
        return
    with _only_one_process(path):
        bring_back(path, lambda: _look_at(path, spec)[0] is not None)
        if damage := find_damage():  # another process may have mended it meanwhile
            require_same(build(damage))


def _build_anew(spec: DatasetSpec, path: Path, places: Places, damage: Damage | None) -> Record:
    """Builds a set in place of a damaged one, or of one of other images."""
    if damage:
        _log.warning("prepared set %s: preparing it anew", damage)
    try:
        source = _locate(spec, places)
    except UserError as error:
        if damage:
            raise UserError(f"{damage} and cannot be prepared anew. {error}") from error
        raise
    stamp = changes.stamp(spec, source)  # before they are read: what changes meanwhile is noticed
    with in_place_of(path):
        left_out, notes = _build(spec, path, source, places.on_bad_image)
        record = write_record(path, spec, source, left_out, notes, stamp)
    _log.info("prepared %s: %s", spec.name, record.labels)
    return record


def _locate(spec: DatasetSpec, places: Places) -> Any:
    if not spec.user_supplied:
        return None
    return changes.source_of(spec).locate(
        places.data_dir, cache_dir=places.cache_dir, download=places.download
    )


def _build(
    spec: DatasetSpec, path: Path, source: Path | None, on_bad_image: str
) -> tuple[Sequence[BadFile], Sequence[str]]:
    """Writes the records of a set; returns the files that are not in it, and notes on others."""
    import tensorflow_datasets as tfds

    module, _, attribute = spec.builder.partition(":")
    builder_class = getattr(importlib.import_module(module), attribute)
    _, _, config = spec.name.partition("/")
    root = path.parents[len(Path(spec.name).parts)]
    builder = builder_class(data_dir=root, config=config or None)
    if Path(builder.data_dir) != path:
        raise RuntimeError(f"{spec.builder} writes to {builder.data_dir}; by the catalogue: {path}")
    if source is not None:
        builder.place, builder.on_bad_image = source, on_bad_image
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
    except (OSError, RuntimeError) as error:  # what writes the records tells it in words alone
        if os.strerror(errno.ENOSPC) in str(error):
            raise UserError(
                f"cache_dir={root.parent} has no space left to prepare {spec.name}; free some or "
                "name another disk with --cache_dir"
            ) from error
        raise
    left_out: Sequence[BadFile] = getattr(builder, "left_out", ())  # drawn sets have none
    if left_out:
        _log.warning(bad_images.warning(left_out))
    return left_out, getattr(builder, "notes", ())


@contextlib.contextmanager
def _only_one_process(path: Path) -> Iterator[None]:
    """Holds the lock of a prepared set, so that the runs of a sweep build it once."""
    with contextlib.ExitStack() as stack:
        try:
            waiting = f"another process is preparing {path}: waiting for it"
            stack.enter_context(only_one(path.parent / f".{path.name}.lock", waiting=waiting))
        except OSError as error:
            raise UserError(
                f"cache_dir: {path.parent} cannot be written ({error.strerror}); name a folder of "
                "your own with --cache_dir or WBC_CACHE_DIR"
            ) from error
        yield
