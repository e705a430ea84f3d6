"""A user's own pictures: classes and smears by folder, what is refused, what has changed."""

import logging
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.datasets.own_tree import STAINS, write_own_tree
from wbc_jax.data.load import load_data
from wbc_jax.data.preprocessing import Settings
from wbc_jax.data.protocols import Draw
from wbc_jax.datasets import catalog
from wbc_jax.datasets.decoding import decode
from wbc_jax.datasets.own import source
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import prepare, read_split
from wbc_jax.errors import UserError

SETTINGS = Settings(first_size=0, image_size=8, gray=False, view="whole", window_side=0.6)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five slides and one loose picture a class; never changed by a test."""
    return write_own_tree(tmp_path_factory.mktemp("own") / "cells", flat=1)


@pytest.fixture
def cells(original: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(original, tmp_path / "cells"))


def test_folders_give_classes_and_smears(original: Path, tmp_path: Path) -> None:
    prepared = prepare("own", Places(original, tmp_path))
    examples = list(read_split(prepared, "all"))
    assert len(examples) == len(STAINS) * (5 * 2 + 1)
    classes = catalog.get("own").classes
    for example in examples:
        folder, *between, _ = example.filename.split("/")
        assert folder.lower().startswith(classes[example.label])
        # A slide with cells of several classes is one smear.
        assert example.source == (between[0] if between else example.filename)
        # The very pixels, whatever the file's format.
        stored, file = decode(example.image), decode((original / example.filename).read_bytes())
        assert np.array_equal(np.asarray(stored), np.asarray(file))


@pytest.mark.parametrize("form", ["below", "zip", "zip below"])
def test_they_are_found_one_folder_below_and_in_zips(
    form: str, original: Path, tmp_path: Path
) -> None:
    place = original.parent
    if form != "below":
        place = tmp_path / "cells.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for path in sorted(path for path in original.rglob("*") if path.is_file()):
                top = "top/" if form == "zip below" else ""
                archive.write(path, f"{top}{path.relative_to(original).as_posix()}")
    found, direct = source.find(place), source.find(original)
    assert found is not None
    assert direct is not None
    assert source.list_pictures(found) == source.list_pictures(direct)


def test_no_folder_by_class_is_told_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "monocyte").mkdir()
    with pytest.raises(UserError, match=r"own: the images are not here.*\n.*\n.*\n.*monocyte/"):
        prepare("own", Places(tmp_path, tmp_path / "cache"))


def test_what_is_of_no_class_or_cannot_be_read_is_named_or_left_out(
    cells: Path, tmp_path: Path
) -> None:
    (cells / "blast").mkdir()
    Image.new("RGB", (9, 9)).save(cells / "blast" / "a.png")
    Image.new("RGB", (9, 9)).save(cells / "loose.png")
    (cells / "monocyte" / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (cells / "monocyte" / "slide.svs").write_bytes(b"II")
    (cells / "monocyte" / "notes.txt").write_text("no picture")
    with pytest.raises(UserError, match=r"own: 4 of the pictures in .* cannot be used") as told:
        prepare("own", Places(cells, tmp_path / "cache"))
    for part in ("blast/a.png (lies in no folder of", "loose.png (lies", "half.png (", "svs (its"):
        assert part in str(told.value)
    places = Places(cells, tmp_path / "cache", on_bad_image="skip")
    prepared = prepare("own", places)
    names = {bad.file for bad in prepared.left_out}
    assert names == {"blast/a.png", "loose.png", "monocyte/half.png", "monocyte/slide.svs"}
    assert prepared.splits["all"].num_examples == len(STAINS) * 11


def test_no_picture_at_all_is_refused(tmp_path: Path) -> None:
    for name in ("monocyte", "neutrophil"):
        (tmp_path / "cells" / name).mkdir(parents=True)
    with pytest.raises(UserError, match=r"the folders by class in .* hold no picture"):
        prepare("own", Places(tmp_path / "cells", tmp_path / "cache"))


@pytest.mark.parametrize("change", ["add", "remove", "touch", "rename", "another place"])
def test_changed_pictures_are_prepared_anew(
    change: str, cells: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places = Places(cells, tmp_path / "cache")
    before = prepare("own", places).splits["all"]
    caplog.set_level(logging.INFO, logger="wbc_jax")
    prepare("own", places)
    assert "is prepared in" in caplog.text
    caplog.clear()
    path = next((cells / "monocyte").rglob("*.*"))
    if change == "add":
        shutil.copy(path, path.with_stem("new"))
    elif change == "remove":
        path.unlink()
    elif change == "touch":
        Image.new("RGB", (9, 9), "red").save(path)
        os.utime(path, ns=(0, 0))
    elif change == "rename":
        path.rename(path.with_stem("new"))
    else:
        places = Places(write_own_tree(tmp_path / "others", copies=1), places.cache_dir)
    after = prepare("own", places).splits["all"]
    assert "not the images that" in caplog.text
    assert after.digest != before.digest
    # Without images, what was prepared from them still counts.
    assert prepare("own", Places(None, places.cache_dir)).splits["all"] == after
    assert prepare("own", Places(tmp_path / "gone", places.cache_dir)).splits["all"] == after


def test_pictures_that_cannot_be_used_leave_what_was_prepared_before(
    cells: Path, tmp_path: Path
) -> None:
    places = Places(cells, tmp_path / "cache")
    before = prepare("own", places).splits
    (cells / "monocyte" / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match=r"half\.png"):
        prepare("own", places)
    assert prepare("own", Places(None, places.cache_dir)).splits == before


def test_every_picture_is_tested_once_and_no_smear_is_on_two_sides(
    original: Path, tmp_path: Path
) -> None:
    places, tested = Places(original, tmp_path), []
    for fold in range(5):
        draw = Draw(seed=3, validation_share=0.2, fold=fold)
        data = load_data("own", SETTINGS, places, num_classes=5, draw=draw)
        tested += data.partition.test.filename.tolist()
        assert data.describe()["num_smears_on_two_sides"] == 0
        assert len(data.partition.validation.label) > 0
    assert len(tested) == len(set(tested)) == len(STAINS) * 11


def test_a_class_without_pictures_is_named(cells: Path, tmp_path: Path) -> None:
    shutil.rmtree(cells / "basophil")
    shutil.rmtree(cells / "LYMPHOCYTES")
    for num_classes, missing in ((4, "lymphocyte;"), (5, "lymphocyte, basophil;")):
        with pytest.raises(UserError, match=f"num_classes={num_classes}: .* of {missing}"):
            load_data(
                "own", SETTINGS, Places(cells, tmp_path), num_classes=num_classes, draw=Draw(0)
            )
