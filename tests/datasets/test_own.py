"""A user's own pictures: classes and smears by folder, what is refused, what has changed."""

import logging
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.datasets.own_tree import STAINS, write_own_tree
from wbc_jax.data.load import load_data
from wbc_jax.data.preprocessing import Settings
from wbc_jax.data.protocols import Draw
from wbc_jax.datasets import catalog
from wbc_jax.datasets import prepare as prepare_module
from wbc_jax.datasets.changes import stamp
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
    with pytest.raises(UserError, match=r"own: 4 of the files in .* cannot be used") as told:
        prepare("own", Places(cells, tmp_path / "cache"))
    for part in ("blast/a.png (lies in no folder of", "loose.png (lies", "half.png (", "svs (its"):
        assert part in str(told.value)
    places = Places(cells, tmp_path / "cache", on_bad_image="skip")
    prepared = prepare("own", places)
    names = {bad.file for bad in prepared.left_out}
    assert names == {"blast/a.png", "loose.png", "monocyte/half.png", "monocyte/slide.svs"}
    assert prepared.splits["all"].num_examples == len(STAINS) * 11


def test_files_that_are_not_named_like_pictures_are_told_at_every_start(
    cells: Path, tmp_path: Path
) -> None:
    picture = next((cells / "monocyte").rglob("*.*"))
    shutil.copy(picture, cells / "monocyte" / "17")
    for name in ("monocyte/slide-8.zip", "monocyte/slide-9.ZIP", "notes.txt"):
        (cells / name).write_text("not looked into")
    told = (
        "4 files are no pictures and were passed over: 2 .zip, 1 without ending, 1 .txt. "
        "Pictures are known by their endings here, and archives within are not read: unpack them."
    )
    for places in (Places(cells, tmp_path / "cache"), Places(None, tmp_path / "cache")):
        prepared = prepare("own", places)
        assert prepared.notes == (told,)
        assert prepared.splits["all"].num_examples == len(STAINS) * 11
    for name in ("monocyte/17", "monocyte/slide-8.zip", "monocyte/slide-9.ZIP", "notes.txt"):
        (cells / name).unlink()
    assert prepare("own", Places(cells, tmp_path / "cache")).notes == ()


def test_no_picture_at_all_is_refused(tmp_path: Path) -> None:
    for name in ("monocyte", "neutrophil"):
        (tmp_path / "cells" / name).mkdir(parents=True)
    refused = r"the folders by class in .* hold no picture"
    with pytest.raises(UserError, match=f"{refused}$"):
        prepare("own", Places(tmp_path / "cells", tmp_path / "cache"))
    (tmp_path / "cells" / "monocyte" / "all.zip").touch()
    with pytest.raises(
        UserError, match=rf"{refused}\. 1 file is no picture .*: 1 \.zip\. .* unpack"
    ):
        prepare("own", Places(tmp_path / "cells", tmp_path / "cache"))


@pytest.mark.parametrize("change", ["add", "remove", "overwrite", "rename", "another place"])
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
    elif change == "overwrite":
        Image.new("RGB", (9, 9), "red").save(path)
    elif change == "rename":
        path.rename(path.with_stem("new"))
    else:
        places = Places(write_own_tree(tmp_path / "others", copies=1), places.cache_dir)
    after = prepare("own", places).splits["all"]
    assert "not the images that" in caplog.text
    assert after.digest != before.digest
    # Without images, what was prepared from them still counts.
    assert prepare("own", Places(None, places.cache_dir)).splits["all"] == after
    # But a folder that is named must hold some.
    for wrong, words in (("gone", "does not exist"), ("", "the images are not here")):
        with pytest.raises(UserError, match=words):
            prepare("own", Places(tmp_path / "cache" / wrong, places.cache_dir))


@pytest.mark.parametrize("change", ["none", "size", "time", "content in a zip"])
def test_size_time_and_a_zips_content_are_looked_at(change: str, tmp_path: Path) -> None:
    spec, place = catalog.get("own"), tmp_path / "cells"
    files = [place / name / "a.png" for name in ("monocyte", "neutrophil")]

    def fill(content: bytes, time: int) -> Path:
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            os.utime(file, ns=(time, time))
        if "zip" not in change:
            return place
        with zipfile.ZipFile(tmp_path / "cells.zip", "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(place).as_posix())
        return tmp_path / "cells.zip"

    before = stamp(spec, fill(b"one", 10**18))
    after = stamp(spec, fill(b"12" if change == "size" else b"two", 10**18 + (change == "time")))
    assert (before == after) == (change == "none")


def test_pictures_that_come_while_others_are_prepared_are_noticed_at_the_next_start(
    cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, build = Places(cells, tmp_path / "cache"), prepare_module._build

    def build_and_add(*args: Any) -> Any:
        built = build(*args)
        shutil.copy(next((cells / "monocyte").rglob("*.*")), cells / "monocyte" / "late.png")
        return built

    monkeypatch.setattr(prepare_module, "_build", build_and_add)
    before = prepare("own", places).splits["all"].num_examples
    monkeypatch.undo()
    assert prepare("own", places).splits["all"].num_examples == before + 1


def test_what_another_process_prepared_meanwhile_is_not_taken_for_ones_own(
    original: Path, tmp_path: Path
) -> None:
    ours = prepare("own", Places(original, tmp_path / "cache"))
    others = write_own_tree(tmp_path / "others", copies=1)
    prepare("own", Places(others, tmp_path / "cache"))
    with pytest.raises(UserError, match="from images that are not those of before"):
        read_split(ours, "all")


def test_a_set_whose_place_was_being_taken_when_the_process_was_killed_comes_back(
    cells: Path, tmp_path: Path
) -> None:
    places = Places(cells, tmp_path / "cache")
    before = prepare("own", places)
    killed_at = before.path.with_name(f".{before.path.name}.replaced")
    before.path.rename(killed_at)
    before.path.mkdir()  # half of the new one
    assert prepare("own", Places(None, places.cache_dir)).splits == before.splits
    assert not killed_at.exists()
    shutil.copytree(before.path, killed_at)  # killed when the new one was whole
    path = next((cells / "monocyte").rglob("*.*"))
    path.unlink()
    assert prepare("own", places).splits != before.splits
    assert not killed_at.exists()


def test_pictures_that_cannot_be_used_leave_what_was_prepared_before(
    cells: Path, tmp_path: Path
) -> None:
    places = Places(cells, tmp_path / "cache")
    before = prepare("own", places).splits
    (cells / "monocyte" / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match=r"half\.png"):
        prepare("own", places)
    assert prepare("own", Places(None, places.cache_dir)).splits == before


def test_spellings_deeper_folders_and_unknown_smears(tmp_path: Path) -> None:
    for path in (
        "Monocyte/Slide-A/1.png",
        "monocytes/slide-a/deeper/2.png",
        "neutrophil/pati\u00ebnt/3.png",
        "neutrophil/patie\u0308nt/4.png",
        "neutrophil/Unresolved/5.png",
        "neutrophil/Screenshot 10.30\u202fAM.png",
        "neutrophil/b\u00e9b\u00e9/unresolved/6.png",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "neutrophil" / "line\nbreak.png").touch()
    (tmp_path / "neutrophil" / os.fsdecode(b"caf\xe9.png")).touch()
    tree = source.find(tmp_path)
    assert tree is not None
    pictures, bad = source.list_pictures(tree)
    smears = {Path(picture.path).stem[-2:]: picture.source for picture in pictures}
    assert smears.pop("AM") == "neutrophil/Screenshot 10.30\u202fAM.png"
    assert smears["1"] == smears["2"] == "slide-a"
    assert smears["3"] == smears["4"] == "pati\u00ebnt"
    assert smears["5"] == catalog.UNRESOLVED
    assert smears["6"] == "b\u00e9b\u00e9"
    assert [one.reason for one in bad] == ["its name cannot be printed: rename it"] * 2


def test_several_places_with_folders_by_class_are_not_chosen_from(
    original: Path, tmp_path: Path
) -> None:
    for split in ("train", "test"):
        shutil.copytree(original, tmp_path / "data" / split)
    with pytest.raises(UserError, match=r"both .*test and .*train hold folders by class"):
        prepare("own", Places(tmp_path / "data", tmp_path / "cache"))


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
