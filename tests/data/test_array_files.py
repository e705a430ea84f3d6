"""Cached arrays come back as they were written, or are found damaged."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.damage import DAMAGES, delete, require_every_byte_to_count
from tests.data.fake_dataset import FakeDataset, encode
from wbc_jax.data.array_files import read_arrays, write_arrays
from wbc_jax.data.preprocessing import Settings, load_split
from wbc_jax.datasets.prepare import Example
from wbc_jax.digests import Damage

TRIES = 100
NAMES = ("image", "text")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Arrays in a new folder."""
    rng = np.random.default_rng(0)
    arrays = {"image": rng.integers(0, 256, (40, 30), np.uint8), "text": np.array(["a", "bé"])}
    write_arrays(tmp_path / "new" / "a.npz", arrays)
    return tmp_path / "new" / "a.npz"


def test_they_come_back_and_numpy_alone_reads_them(path: Path) -> None:
    image, text = read_arrays(path, NAMES)
    assert text.tolist() == ["a", "bé"]
    with np.load(path, allow_pickle=False) as plain:
        np.testing.assert_array_equal(plain["image"], image)
    assert [file.name for file in path.parent.iterdir()] == ["a.npz"]
    with pytest.raises(Damage, match=r"a\.npz holds no such arrays"):
        read_arrays(path, ("label",))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_all_damage_is_noticed_and_named(path: Path, damage: Any) -> None:
    rng = np.random.default_rng(1)
    whole = path.with_name("whole")
    shutil.copy2(path, whole)
    for _ in range(TRIES):
        damage(path, rng)
        with pytest.raises(Damage, match=r"a\.npz (is damaged|cannot be read \(No such)"):
            read_arrays(path, NAMES)
        shutil.copy2(whole, path)
    read_arrays(path, NAMES)


def test_every_byte_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_arrays(path, {"image": np.zeros(2, np.uint8)})
    require_every_byte_to_count(path, lambda: read_arrays(path, ("image",)))


class Unpacked(Exception):  # noqa: N818 - no fault, but what must not happen
    """Raised where a pickled object is loaded."""


class Malicious:
    """Runs code wherever it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise __import__('tests.data.test_array_files').Unpacked",)


def test_pickled_objects_are_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = np.savez
    monkeypatch.setattr(np, "savez", lambda file, allow_pickle, **arrays: original(file, **arrays))
    write_arrays(path, {"image": np.array([Malicious()], dtype=object)})
    with pytest.raises(Damage, match="holds no such arrays"):
        read_arrays(path, ("image",))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_arrays_are_made_anew_and_the_file_named(
    damage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeDataset("lisc", {"all": [Example(encode(i), 0, *"abc") for i in range(3)]})
    fake.install(monkeypatch)
    settings = Settings(first_size=0, image_size=6, gray=True)
    first = load_split(fake.prepared, "all", settings, cache_dir=tmp_path)
    (path,) = (tmp_path / "arrays").iterdir()
    whole = path.read_bytes()
    damage(path, np.random.default_rng(2))
    with caplog.at_level(logging.WARNING):
        again = load_split(fake.prepared, "all", settings, cache_dir=tmp_path)
    assert fake.num_reads == 2
    np.testing.assert_array_equal(again.image, first.image)
    assert path.read_bytes() == whole
    # Of a file that is not there nobody knows that it ever was.
    assert (str(path) in caplog.text) == (damage is not delete)


def test_a_file_of_an_earlier_version_is_made_anew(path: Path) -> None:
    np.savez(path, image=np.zeros(3), text=np.array(["a"]))
    with pytest.raises(Damage, match="of an earlier version"):
        read_arrays(path, NAMES)
