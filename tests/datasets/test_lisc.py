"""LISC from its tree and its zip: labels, lossless pixels, masks in every form, every mistake."""

import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.datasets.lisc_tree import MASK_SIZE, SIZE, write_lisc_tree
from wbc_jax.datasets import catalog
from wbc_jax.datasets.lisc import images, source
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import PreparedDataset, prepare, read_records, read_split
from wbc_jax.errors import UserError


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`LISC Database` with two images a class and two mixed; never changed by a test."""
    return write_lisc_tree(tmp_path_factory.mktemp("lisc"), per_class=2, mixt=2)


@pytest.fixture(scope="module")
def archive(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as its authors hand it out."""
    return zipped(original, tmp_path_factory.mktemp("zip") / "LISC Database.zip")


@pytest.fixture(scope="module")
def prepared(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Prepared from the folder in which the zip lies."""
    return prepare("lisc", Places(archive.parent, tmp_path_factory.mktemp("cache")))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A database of one image a class, to be spoilt."""
    return write_lisc_tree(tmp_path / "data", per_class=1, mixt=1)


def zipped(database: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(p for p in database.rglob("*") if p.is_file()):
            opened.write(path, f"LISC Database/{path.relative_to(database).as_posix()}")
    return archive


def smears_of(place: Path) -> list[source.Smear]:
    tree = source.find(place)
    assert tree is not None
    return source.list_smears(tree)


def checked(place: Path) -> None:
    tree = source.find(place)
    assert tree is not None
    images.check(tree, source.list_smears(tree))


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def bmp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="BMP")
    return buffer.getvalue()


def test_labels_follow_the_catalogue(prepared: PreparedDataset) -> None:
    labels = {r["filename"]: int(r["label"]) for r in read_records(prepared, "all")}
    by_folder = {"eosi": 0, "lymp": 1, "mono": 2, "neut": 3, "Baso": 4}
    assert labels == {f"{f}/{n}.bmp": label for f, label in by_folder.items() for n in (1, 2)}
    mixed = {r["filename"]: int(r["label"]) for r in read_records(prepared, "mixt")}
    assert mixed == {"mixt/1.bmp": -1, "mixt/2.bmp": -1}


def test_every_image_is_of_a_smear_of_its_own(prepared: PreparedDataset) -> None:
    for split in ("all", "mixt"):
        for example in read_split(prepared, split):
            assert example.source == example.scene == example.filename


def test_pixels_and_masks_are_the_originals(prepared: PreparedDataset, original: Path) -> None:
    records = [*read_records(prepared, "all"), *read_records(prepared, "mixt")]
    assert len(records) == 12
    for record in records:
        with Image.open(original / "Main Dataset" / record["filename"]) as smear:
            np.testing.assert_array_equal(pixels(record["image"]), np.asarray(smear))
        folder, name = record["filename"].split("/")
        drawn = f"{folder}/areaforexpert1/{name.removesuffix('.bmp')}_expert.bmp"
        with Image.open(original / "Ground Truth Segmentation" / drawn) as drawing:
            expected = np.pad(np.asarray(drawing) > 0, 4).astype(np.uint8) * 255
        np.testing.assert_array_equal(pixels(record["mask"]), expected)
        assert record["has_mask"]


def test_tree_and_zip_are_the_same_set(
    prepared: PreparedDataset, original: Path, tmp_path: Path
) -> None:
    from_tree = prepare("lisc", Places(original, tmp_path))
    assert from_tree.splits == prepared.splits


@pytest.mark.parametrize("inside", ["", "LISC Database", "lisc", "LISC/lisc database"])
def test_the_tree_is_found_in_every_layout(small: Path, tmp_path: Path, inside: str) -> None:
    place = tmp_path / "place"
    target = place / inside
    target.parent.mkdir(parents=True, exist_ok=True)
    small.rename(target)
    assert len(smears_of(place)) == 6


def test_the_zip_itself_can_be_named(archive: Path) -> None:
    assert source.locate(archive, cache_dir=Path(), download=False) == archive
    assert len(smears_of(archive)) == 12


def test_names_are_matched_in_any_case(small: Path) -> None:
    (small / "Main Dataset" / "Baso").rename(small / "Main Dataset" / "BASO")
    (small / "Main Dataset" / "eosi" / "1.bmp").rename(small / "Main Dataset" / "eosi" / "1.BMP")
    (small / "Main Dataset").rename(small / "main dataset")
    (small / "Ground Truth Segmentation").rename(small / "GROUND truth Segmentation")
    smears = {smear.filename: smear for smear in smears_of(small)}
    assert smears["BASO/1.bmp"].label == 4
    assert smears["eosi/1.BMP"].mask is not None
    assert all(smear.mask for smear in smears.values())


def test_what_is_no_image_of_a_class_is_ignored(small: Path) -> None:
    main = small / "Main Dataset"
    for path in ("eosi/notes.txt", "eosi/Thumbs.db", "eosi/._1.bmp", "1.bmp"):
        (main / path).write_bytes(b"other")
    (main / "blast").mkdir()
    (main / "blast" / "1.bmp").write_bytes(b"other")
    assert len(smears_of(small)) == 6


def test_a_missing_mask_is_empty_and_said_to_be(small: Path, tmp_path: Path) -> None:
    (small / "Ground Truth Segmentation" / "lymp" / "areaforexpert1" / "1_expert.bmp").unlink()
    prepared = prepare("lisc", Places(small, tmp_path / "cache"))
    records = {r["filename"]: r for r in read_records(prepared, "all")}
    without: dict[str, Any] = records.pop("lymp/1.bmp")
    assert not without["has_mask"]
    mask = pixels(without["mask"])
    assert (mask.shape, mask.max()) == ((SIZE[1], SIZE[0]), 0)
    assert all(r["has_mask"] and pixels(r["mask"]).max() == 255 for r in records.values())


def test_a_copy_without_mixed_images_has_no_such_split(tmp_path: Path) -> None:
    write_lisc_tree(tmp_path, per_class=1, mixt=0)
    prepared = prepare("lisc", Places(tmp_path, tmp_path / "cache"))
    assert list(prepared.splits) == ["all"]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "low gray"])
@pytest.mark.parametrize("size", [SIZE, MASK_SIZE])
def test_masks_of_every_colour_mode_mean_the_same(mode: str, size: tuple[int, int]) -> None:
    drawing = Image.new("L", size)
    drawing.paste(1 if mode == "low gray" else 255, (100, 50, 200, 150))
    if mode == "P":
        drawing = drawing.convert("RGB").quantize(2)
    elif mode in ("1", "RGB"):
        drawing = drawing.convert(mode)
    mask = images.decode_mask(bmp(drawing), height=SIZE[1], width=SIZE[0])
    frame = 0 if size == SIZE else 4
    expected = np.zeros((SIZE[1], SIZE[0]), bool)
    expected[50 + frame : 150 + frame, 100 + frame : 200 + frame] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("size", [(720, 575), (568, 712), (720, 568), (100, 100)])
def test_a_mask_of_another_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"the mask is {size[0]}x{size[1]}, its image 720x576"):
        images.decode_mask(bmp(Image.new("L", size)), height=576, width=720)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_images_of_every_colour_mode_become_rgb(mode: str) -> None:
    image = Image.effect_mandelbrot((30, 20), (-3, -2.5, 2, 2.5), 50).convert(mode)
    np.testing.assert_array_equal(images.decode_image(bmp(image)), np.asarray(image.convert("RGB")))


def test_all_spoilt_files_are_named_in_one_message(small: Path, tmp_path: Path) -> None:
    main, drawings = small / "Main Dataset", small / "Ground Truth Segmentation"
    cut = main / "eosi" / "1.bmp"
    cut.write_bytes(cut.read_bytes()[:-1000])
    (main / "mono" / "1.bmp").write_bytes(b"no image at all")
    Image.new("L", (72, 57)).save(drawings / "neut" / "areaforexpert1" / "1_expert.bmp")
    with pytest.raises(UserError) as caught:
        prepare("lisc", Places(small, tmp_path / "cache"))
    message = str(caught.value)
    assert "3 of the files" in message
    assert "eosi/1.bmp (image file is truncated" in message
    assert "mono/1.bmp (no image format that can be read)" in message
    assert "neut/areaforexpert1/1_expert.bmp (the mask is 72x57, its image 720x576" in message
    version = catalog.get("lisc").version
    assert not (tmp_path / "cache" / "tfds" / "lisc" / version).exists()


def test_an_empty_file_is_named(small: Path) -> None:
    (small / "Main Dataset" / "lymp" / "1.bmp").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 of the files .*lymp/1\.bmp \(the file is empty"):
        checked(small)


def test_a_damaged_zip_member_is_named(small: Path, tmp_path: Path) -> None:
    archive = zipped(small, tmp_path / "LISC Database.zip")
    data = bytearray(archive.read_bytes())
    data[data.index(b"Main Dataset/mono/1.bmp") + 5000] ^= 0xFF
    archive.write_bytes(data)
    with pytest.raises(UserError, match=r"mono/1\.bmp \(.*Bad CRC"):
        checked(archive)


def test_a_class_without_images_is_named(small: Path) -> None:
    shutil.rmtree(small / "Main Dataset" / "neut")
    (small / "Main Dataset" / "Baso" / "1.bmp").unlink()
    with pytest.raises(UserError, match=r"has no \.bmp images in neut, baso; .*unpack it again"):
        smears_of(small)


@pytest.mark.parametrize("download", [False, True])
def test_a_missing_database_is_explained(tmp_path: Path, download: bool) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(UserError) as caught:
        prepare("lisc", Places(tmp_path, tmp_path / "cache", download=download))
    message = str(caught.value)
    assert f"data_dir={tmp_path}" in message
    assert "found     cache/, cats/" in message
    for words in ("'LISC Database'", "forbids", "ask its authors", "--data_dir", "WBC_DATA_DIR"):
        assert words in message
    assert "python launch.py --config=configs/alexnet.py" in message
    assert ("--download cannot help" in message) == download


def test_no_place_named_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no --data_dir and no WBC_DATA_DIR is given"):
        prepare("lisc", Places(None, tmp_path))


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data_dir=.*/gone does not exist"):
        prepare("lisc", Places(tmp_path / "gone", tmp_path))
