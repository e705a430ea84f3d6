"""Damage to a prepared set is noticed, named and mended; without the images it is only named."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.damage import (
    DAMAGES,
    delete,
    flip_bit,
    require_every_byte_to_count,
    truncate,
    zero_block,
)
from tests.datasets.lisc_tree import write_lisc_tree
from wbc_jax.datasets import catalog, prepare, prepared_record
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import PreparedDataset, read_split
from wbc_jax.datasets.prepared_record import check_files, read_record
from wbc_jax.digests import Damage, read_sealed_json, write_sealed_json
from wbc_jax.errors import UserError

SPEC = catalog.get("lisc")
TRIES = 40  # of every kind of damage to every file


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lisc_tree(tmp_path_factory.mktemp("lisc"), per_class=1, mixt=1)


@pytest.fixture(scope="module")
def whole(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Only to be copied."""
    return prepare.prepare("lisc", Places(data_dir, tmp_path_factory.mktemp("cache")))


@pytest.fixture
def cache(whole: PreparedDataset, tmp_path: Path) -> Path:
    """A cache with a copy of it, to be damaged."""
    shutil.copytree(whole.path, folder_in(tmp_path))
    return tmp_path


@pytest.fixture
def quick_build(whole: PreparedDataset, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Builds by copying what was built before, and says where."""
    built: list[Path] = []

    def build(spec: Any, path: Path, source: Any, on_bad_image: str) -> tuple[tuple, tuple]:
        built.append(path)
        shutil.copytree(whole.path, path, ignore=shutil.ignore_patterns("prepared.json"))
        return (), ()  # nothing left out, no notes

    monkeypatch.setattr(prepare, "_build", build)
    return built


def folder_in(cache: Path) -> Path:
    return cache / "tfds" / "lisc" / SPEC.version


def files_of(prepared: PreparedDataset) -> list[str]:
    return sorted(path.name for path in prepared.path.iterdir())


def read_all(prepared: PreparedDataset) -> list[prepare.Example]:
    return [example for split in prepared.splits for example in read_split(prepared, split)]


def find_damage(path: Path) -> str:
    """Returns what is found wrong by looking at everything as a start and then reading do."""
    try:
        record = read_record(path, SPEC)
        assert record is not None
        for split in record.splits:
            check_files(path, record, split)
    except Damage as damage:
        return str(damage)
    return ""


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_all_damage_to_every_file_is_noticed_and_named(
    whole: PreparedDataset, cache: Path, damage: Any
) -> None:
    rng = np.random.default_rng(5)
    path = folder_in(cache)
    assert find_damage(path) == ""
    assert len(files_of(whole)) >= 5
    for name in files_of(whole):
        for _ in range(1 if damage is delete else TRIES):
            damage(path / name, rng)
            assert str(path / name) in find_damage(path)
            shutil.copy2(whole.path / name, path / name)
    assert find_damage(path) == ""


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_set_is_mended_and_the_file_named(
    whole: PreparedDataset,
    data_dir: Path,
    cache: Path,
    damage: Any,
    quick_build: list[Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rng = np.random.default_rng(6)
    for name in files_of(whole):
        damage(folder_in(cache) / name, rng)
        with caplog.at_level(logging.WARNING):
            prepared = prepare.prepare("lisc", Places(data_dir, cache))
            examples = read_all(prepared)
        assert prepared == PreparedDataset(SPEC, folder_in(cache), whole.splits)
        assert examples == read_all(whole)
        assert quick_build.pop() == folder_in(cache)
        assert quick_build == []
        (warning,) = caplog.messages
        assert str(folder_in(cache) / name) in warning
        assert "preparing it anew" in warning
        caplog.clear()
    assert [p.name for p in folder_in(cache).parent.iterdir() if p.name[0] != "."] == [SPEC.version]


def test_a_set_damaged_while_a_run_uses_it_is_mended_by_building(
    data_dir: Path, whole: PreparedDataset, cache: Path
) -> None:
    prepared = prepare.prepare("lisc", Places(data_dir, cache))
    records = next(folder_in(cache).glob("*mixt.array_record*"))
    flip_bit(records, np.random.default_rng(7))
    assert read_all(prepared) == read_all(whole)
    assert find_damage(folder_in(cache)) == ""


@pytest.mark.parametrize("damage", [truncate, zero_block])
def test_without_the_images_the_damaged_file_is_named_and_nothing_is_lost(
    whole: PreparedDataset, cache: Path, damage: Any
) -> None:
    records = next(folder_in(cache).glob("*labelled.array_record*"))
    damage(records, np.random.default_rng(8))
    damaged = records.read_bytes()
    with pytest.raises(UserError) as caught:
        read_all(prepare.prepare("lisc", Places(None, cache)))
    message = str(caught.value)
    assert f"{records} is damaged" in message
    assert "cannot be prepared anew. lisc: the images are not here" in message
    assert records.read_bytes() == damaged
    assert sorted(path.name for path in folder_in(cache).iterdir()) == files_of(whole)


def test_a_split_is_read_though_another_is_damaged(whole: PreparedDataset, cache: Path) -> None:
    prepared = prepare.prepare("lisc", Places(None, cache))
    flip_bit(next(folder_in(cache).glob("*mixt.array_record*")), np.random.default_rng(9))
    assert len(list(read_split(prepared, "all"))) == 5
    with pytest.raises(UserError, match=r"mixt\.array_record.* is damaged"):
        read_split(prepared, "mixt")


def test_a_build_that_fails_leaves_what_there_was(
    data_dir: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        folder_in(cache).mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "_build", fail)
    prepared = prepare.prepare("lisc", Places(data_dir, cache))
    flip_bit(next(folder_in(cache).glob("*mixt.array_record*")), np.random.default_rng(9))
    with pytest.raises(KeyboardInterrupt):
        read_split(prepared, "mixt")
    assert len(list(read_split(prepared, "all"))) == 5


def test_other_images_in_the_meantime_are_not_taken_for_those_of_before(
    tmp_path: Path, cache: Path
) -> None:
    prepared = prepare.prepare("lisc", Places(tmp_path / "other", cache))
    write_lisc_tree(tmp_path / "other", per_class=1, mixt=1, seed=1)
    flip_bit(next(folder_in(cache).glob("*mixt.array_record*")), np.random.default_rng(9))
    with pytest.raises(UserError, match=r"prepared anew, from images that are not those of before"):
        read_split(prepared, "mixt")
    again = prepare.prepare("lisc", Places(None, cache))  # a new start takes them
    assert again.splits != prepared.splits


def test_a_start_that_reads_no_records_does_not_hash_them(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    original = prepared_record.file_sha256
    monkeypatch.setattr(
        prepared_record, "file_sha256", lambda path: hashed.append(path.name) or original(path)
    )
    prepared = prepare.prepare("lisc", Places(None, cache))
    assert hashed == []
    read_split(prepared, "mixt")
    assert [name for name in hashed if "array_record" in name] == [
        "lisc-mixt.array_record-00000-of-00001"
    ]


def test_every_byte_of_a_sealed_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "sealed.json"
    content = {"text": "é", "numbers": [1, 2.5, None], "inside": {"b": 1, "a": 2}}
    write_sealed_json(path, content)
    assert read_sealed_json(path) == content
    require_every_byte_to_count(path, lambda: read_sealed_json(path))
