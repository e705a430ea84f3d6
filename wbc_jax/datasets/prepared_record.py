"""`prepared.json`: what a prepared set holds, with SHA-256 of every file, so that damage shows.

record = write_record(path, spec, source, left_out, notes, stamp)
record = read_record(path, spec)              # None where nothing is prepared; raises Damage
check_files(path, record, "TEST")             # the bytes of what is about to be read; raises Damage

Reading the record looks at names and sizes only: a start that takes its arrays from the cache never
reads the records, and should not wait for their digests.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wbc_jax.datasets.bad_images import BadFile
from wbc_jax.datasets.catalog import DatasetSpec
from wbc_jax.datasets.records import read_examples, stored_splits
from wbc_jax.digests import Damage, file_sha256, read_sealed_json, write_sealed_json
from wbc_jax.printable import printable

RECORD = "prepared.json"
_FORMAT = 2
# TFDS keeps the word "all" for the union of its splits: a split that is truly called so is
# stored under another name.
_STORED_NAMES = {"all": "labelled"}
_PUBLIC_NAMES = {stored: name for name, stored in _STORED_NAMES.items()}


@dataclass(frozen=True)
class SplitInfo:
    """One split as it was written.

    Attributes:
        num_examples: how many examples it holds.
        digest: `content_digest` of their images and annotated cells, read back after writing.
    """

    num_examples: int
    digest: str


@dataclass(frozen=True)
class Record:
    """What is prepared.

    Attributes:
        splits: its splits by name.
        left_out: files of the user's copy that are not in it.
        notes: what to know of files there that were not taken for images at all.
        files: name of a file -> its size in bytes and its SHA-256.
        source: the folder or zip it was made from; None for sets that are drawn.
        labels: split -> class -> number of examples.
        stamp: of the user's images at the time, by `changes.stamp`.
    """

    splits: Mapping[str, SplitInfo]
    left_out: tuple[BadFile, ...]
    notes: tuple[str, ...]
    files: Mapping[str, tuple[int, str]]
    source: str | None
    labels: Mapping[str, Mapping[str, int]]
    stamp: str | None


def stored_name(split: str) -> str:
    """Returns what TFDS calls a split."""
    return _STORED_NAMES.get(split, split)


def content_digest(hashes: Iterable[tuple[str, str]]) -> str:
    """Returns SHA-256 over the lines "<hash>  <filename>", sorted by filename, as hex digits.

    Args:
        hashes: (filename, SHA-256 of the content as hex digits), in any order.
    """
    lines = (f"{sha256}  {filename}\n" for filename, sha256 in sorted(hashes))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_record(
    path: Path,
    spec: DatasetSpec,
    source: Path | None,
    left_out: Sequence[BadFile],
    notes: Sequence[str],
    stamp: str | None,
) -> Record:
    """Reads back what was built at `path` and writes its record, which makes it count.

    Args:
        path: the folder of the set.
        spec: of the set.
        source: as in `Record`.
        left_out: the same.
        notes: the same.
        stamp: the same.
    """
    splits, labels = {}, {}
    for name in stored_splits(path):
        split = _PUBLIC_NAMES.get(name, name)
        splits[split], labels[split] = _read_back(path, spec, name)
    files = sorted(path.iterdir())
    record = Record(
        splits=splits,
        left_out=tuple(left_out),
        notes=tuple(notes),
        files={file.name: (file.stat().st_size, file_sha256(file)) for file in files},
        source=None if source is None else printable(str(source)),
        labels=labels,
        stamp=stamp,
    )
    write_sealed_json(path / RECORD, _as_json(record, spec))
    return record


def read_record(path: Path, spec: DatasetSpec) -> Record | None:
    """Returns the record at `path`; None where this version has prepared nothing there.

    Raises:
        Damage: there is something, but the record or a file is missing or of another size.
    """
    if not path.exists():
        return None
    content = read_sealed_json(path / RECORD)
    if (content["format"], content["name"], content["version"]) != _identity(spec):
        return None
    for name, file in content["files"].items():
        size = (path / name).stat().st_size if (path / name).is_file() else None
        if size != file["size"]:
            raise Damage(
                f"{path / name} is missing"
                if size is None
                else f"{path / name} is damaged (its size was {file['size']:,} bytes, is {size:,})"
            )
    return Record(
        splits={k: SplitInfo(v["num_examples"], v["digest"]) for k, v in content["splits"].items()},
        left_out=tuple(BadFile(**bad) for bad in content["left_out"]),
        notes=tuple(content.get("notes", ())),  # earlier versions kept none, nor the stamp
        files={name: (file["size"], file["sha256"]) for name, file in content["files"].items()},
        source=content["source"],
        labels={split: value["labels"] for split, value in content["splits"].items()},
        stamp=content.get("stamp"),
    )


def check_files(path: Path, record: Record, split: str) -> None:
    """Checks the bytes of all files that reading a split needs.

    Raises:
        Damage: one is not as it was written.
    """
    # "NAME-SPLIT.array_record-00000-of-00001" beside JSON files that every split needs.
    others = [f"-{stored_name(name)}." for name in record.splits if name != split]
    for name, (_, sha256) in record.files.items():
        if not any(other in name for other in others) and file_sha256(path / name) != sha256:
            raise Damage(f"{path / name} is damaged (its SHA-256 has changed)")


def _read_back(path: Path, spec: DatasetSpec, name: str) -> tuple[SplitInfo, dict[str, int]]:
    hashes, labels = [], Counter[str]()
    for example in read_examples(path, name):
        content = example.image + example.cells
        hashes.append((example.filename, hashlib.sha256(content).hexdigest()))
        labels["none" if example.label < 0 else spec.classes[example.label]] += 1
    return SplitInfo(len(hashes), content_digest(hashes)), dict(sorted(labels.items()))


def _as_json(record: Record, spec: DatasetSpec) -> dict[str, Any]:
    identity = dict(zip(("format", "name", "version"), _identity(spec), strict=True))
    return {
        **identity,
        "source": record.source,
        "stamp": record.stamp,
        "splits": {
            split: {
                "num_examples": info.num_examples,
                "digest": info.digest,
                "labels": record.labels[split],
            }
            for split, info in record.splits.items()
        },
        "left_out": [bad._asdict() for bad in record.left_out],
        "notes": list(record.notes),
        "files": {
            name: {"size": size, "sha256": sha256} for name, (size, sha256) in record.files.items()
        },
    }


def _identity(spec: DatasetSpec) -> tuple[int, str, str]:
    return _FORMAT, spec.name, spec.version
