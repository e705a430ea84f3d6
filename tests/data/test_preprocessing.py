"""Pixels as plain Pillow gives them; a cache that is used, keyed, and mended."""

import errno
import io
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.fake_dataset import FakeDataset, encode
from wbc_jax.data import preprocessing
from wbc_jax.data.examples import Examples
from wbc_jax.data.preprocessing import Settings, load_split, preprocess
from wbc_jax.datasets.prepare import Example
from wbc_jax.errors import UserError

SETTINGS = Settings(first_size=24, image_size=6, gray=True)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDataset:
    examples = [
        Example(
            encode(i),
            i % 5,
            f"Main Dataset/mono/{i}.bmp",
            source=f"smear {i // 2}",
            scene=f"place {i // 4}",
        )
        for i in range(7)
    ]
    mixed = Example(encode(9), -1, "mixt/1.bmp", source="mixt/1.bmp", scene="mixt/1.bmp")
    fake = FakeDataset("lisc", {"all": examples, "mixt": [mixed]})
    fake.install(monkeypatch)
    return fake


def assert_equal_examples(got: Examples, expected: Examples) -> None:
    for ours, theirs in zip(got[:5], expected[:5], strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    assert got.cells is expected.cells is None


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP"])
def test_pixels_are_those_of_pillow(file_format: str) -> None:
    encoded = encode(0, width=320, height=240, file_format=file_format)
    twice = (
        Image.open(io.BytesIO(encoded))
        .convert("RGB")
        .resize((300, 300), Image.Resampling.BICUBIC)
        .resize((50, 50), Image.Resampling.BICUBIC)
    )
    colour = preprocess(encoded, Settings(first_size=300, image_size=50, gray=False))
    gray = preprocess(encoded, Settings(first_size=300, image_size=50, gray=True))
    assert (colour.shape, colour.dtype) == ((50, 50, 3), np.uint8)
    np.testing.assert_array_equal(colour, np.asarray(twice))
    np.testing.assert_array_equal(gray, np.asarray(twice.convert("L"))[..., None])
    # The ITU-R 601 luma, up to rounding.
    luma = np.asarray(twice, np.float64) @ [0.299, 0.587, 0.114]
    assert np.abs(gray[..., 0] - luma).max() <= 1


def test_the_first_step_can_be_left_out() -> None:
    encoded = encode(0)
    once = Image.open(io.BytesIO(encoded)).resize((6, 6), Image.Resampling.BICUBIC)
    got = preprocess(encoded, Settings(first_size=0, image_size=6, gray=False))
    np.testing.assert_array_equal(got, np.asarray(once))
    assert not np.array_equal(got, preprocess(encoded, replace(SETTINGS, gray=False)))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_images_of_every_mode_become_three_channels(mode: str) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(encode(0))).convert(mode).save(buffer, format="PNG")
    assert preprocess(buffer.getvalue(), replace(SETTINGS, gray=False)).shape == (6, 6, 3)
    assert preprocess(buffer.getvalue(), SETTINGS).shape == (6, 6, 1)


@pytest.mark.parametrize(
    ("first_size", "image_size"), [(300, 0), (300, -1), (-1, 50), (300, 2049), (2**32, 50)]
)
def test_sizes_out_of_range_are_refused(first_size: int, image_size: int) -> None:
    with pytest.raises(UserError, match=rf"data.image_size={image_size} .* data.first_size="):
        Settings(first_size=first_size, image_size=image_size, gray=True)


def test_a_split_is_preprocessed_in_its_own_order(fake: FakeDataset, tmp_path: Path) -> None:
    examples = load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    assert examples.image.shape == (7, 6, 6, 1)
    assert (examples.label.dtype, examples.label.tolist()) == (np.int32, [0, 1, 2, 3, 4, 0, 1])
    assert examples.filename.tolist() == [f"Main Dataset/mono/{i}.bmp" for i in range(7)]
    assert examples.source.tolist() == [f"smear {i // 2}" for i in range(7)]
    assert examples.scene.tolist() == [f"place {i // 4}" for i in range(7)]
    for row, image in enumerate(examples.image):
        np.testing.assert_array_equal(image, preprocess(encode(row), SETTINGS))


@pytest.mark.parametrize("task_bytes", [1, 3000, 1 << 18], ids=["single", "some", "all at once"])
def test_a_split_is_that_of_plain_pillow_however_it_is_shared_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task_bytes: int
) -> None:
    encoded = [encode(i, width=320, height=240, file_format="JPEG") for i in range(9)]
    examples = [Example(e, 0, *[f"{i}"] * 3) for i, e in enumerate(encoded)]
    fake = FakeDataset("lisc", {"all": examples})
    fake.install(monkeypatch)
    monkeypatch.setattr(preprocessing, "_TASK_BYTES", task_bytes)
    monkeypatch.setattr(preprocessing, "_TASKS_PER_WORKER", 1)
    monkeypatch.setattr(preprocessing, "num_cores", lambda: 2)
    settings = Settings(first_size=300, image_size=50, gray=True)
    loaded = load_split(fake.prepared, "all", settings, cache_dir=tmp_path)
    assert loaded.filename.tolist() == [str(i) for i in range(9)]
    for image, original in zip(loaded.image[..., 0], encoded, strict=True):
        plain = Image.open(io.BytesIO(original)).convert("RGB")
        for side in (300, 50):
            plain = plain.resize((side, side), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(image, np.asarray(plain.convert("L")))


def test_few_encoded_images_wait_in_memory(
    fake: FakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, ahead = [], []

    def read_split(prepared: object, split: str):
        for example in fake.splits[split] * 20:
            read.append(example)
            yield example

    def count_ahead(encoded: bytes, settings: Settings) -> np.ndarray:
        ahead.append(len(read) - len(ahead))
        return preprocess(encoded, settings)

    monkeypatch.setattr(preprocessing, "read_split", read_split)
    monkeypatch.setattr(preprocessing, "preprocess", count_ahead)
    monkeypatch.setattr(preprocessing, "_TASK_BYTES", 1)
    monkeypatch.setattr(preprocessing, "num_cores", lambda: 2)
    prepared = fake.with_count("all", 140)
    assert len(load_split(prepared, "all", SETTINGS, cache_dir=tmp_path).label) == 140
    assert max(ahead) <= 2 * preprocessing._TASKS_PER_WORKER + 2


def test_the_second_time_nothing_is_decoded(fake: FakeDataset, tmp_path: Path) -> None:
    first = load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    fake.splits.clear()  # reading anything now fails
    again = load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    assert fake.num_reads == 1
    assert_equal_examples(again, first)


@pytest.mark.parametrize(
    "changes", [{"first_size": 0}, {"image_size": 5}, {"gray": False}], ids=lambda c: next(iter(c))
)
def test_other_settings_are_cached_apart(
    fake: FakeDataset, tmp_path: Path, changes: dict[str, int]
) -> None:
    load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    load_split(fake.prepared, "all", replace(SETTINGS, **changes), cache_dir=tmp_path)
    assert fake.num_reads == 2
    load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    assert fake.num_reads == 2


def test_other_images_and_other_splits_are_cached_apart(fake: FakeDataset, tmp_path: Path) -> None:
    load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    load_split(fake.with_digest("all", "changed"), "all", SETTINGS, cache_dir=tmp_path)
    assert fake.num_reads == 2
    assert len(load_split(fake.prepared, "mixt", SETTINGS, cache_dir=tmp_path).label) == 1
    assert fake.num_reads == 3


def test_another_version_of_a_set_is_cached_apart(fake: FakeDataset, tmp_path: Path) -> None:
    """It may say otherwise which smear an image shows, and the digest knows only of the images."""
    load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    newer = replace(fake.prepared, spec=replace(fake.prepared.spec, version="9.9.9"))
    load_split(newer, "all", SETTINGS, cache_dir=tmp_path)
    assert fake.num_reads == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "flipped byte", "other arrays"])
def test_a_damaged_cache_is_made_anew(
    fake: FakeDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    first = load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    (path,) = (tmp_path / "arrays").iterdir()
    content = bytearray(path.read_bytes())
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "text":
            path.write_text("no arrays")
        case "flipped byte":
            content[content.index(first.image.tobytes()) + 50] ^= 1
            path.write_bytes(content)
        case "other arrays":
            np.savez(path, image=first.image)
    with caplog.at_level(logging.WARNING):
        again = load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    assert "damaged" in caplog.text
    assert fake.num_reads == 2
    assert_equal_examples(again, first)
    load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    assert fake.num_reads == 2  # mended on disk as well


@pytest.mark.parametrize("damage", ["text", "cut"])
def test_an_image_that_cannot_be_decoded_is_named(
    fake: FakeDataset, tmp_path: Path, damage: str
) -> None:
    broken = b"no image" if damage == "text" else encode(4, file_format="JPEG")[:300]
    fake.splits["all"][4] = fake.splits["all"][4]._replace(image=broken)
    with pytest.raises(UserError, match=r"image Main Dataset/mono/4.bmp cannot be decoded"):
        load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    assert not (tmp_path / "arrays").exists()


def test_of_several_broken_images_the_first_is_named_and_work_ends(
    fake: FakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preprocessing, "_TASK_BYTES", 1)
    monkeypatch.setattr(preprocessing, "num_cores", lambda: 2)
    decoded = []

    def counted(encoded: bytes, settings: Settings) -> np.ndarray:
        decoded.append(encoded)
        return preprocess(encoded, settings)

    monkeypatch.setattr(preprocessing, "preprocess", counted)
    good = fake.splits["all"]
    broken = [example._replace(image=b"no image") for example in good[2:]]
    fake.splits["all"] = good[:2] + broken + good * 50
    with pytest.raises(UserError, match=r"image Main Dataset/mono/2.bmp cannot be decoded"):
        load_split(fake.with_count("all", 357), "all", SETTINGS, cache_dir=tmp_path)
    assert len(decoded) < 357


def test_a_split_that_is_not_there_is_refused(fake: FakeDataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"split 'TEST' is not in lisc; there are: all, mixt"):
        load_split(fake.prepared, "TEST", SETTINGS, cache_dir=tmp_path)


def test_a_full_disk_is_reported_and_leaves_nothing(
    fake: FakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def savez(file, **arrays):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(UserError, match=r"cannot be written \(No space left.*WBC_CACHE_DIR"):
        load_split(fake.prepared, "all", SETTINGS, cache_dir=tmp_path)
    assert list((tmp_path / "arrays").iterdir()) == []
