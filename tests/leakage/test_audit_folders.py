"""Which files of a folder or zip are compared, which are not, and where the report goes."""

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.leakage.smear_files import copy_of, put
from wbc_jax.errors import UserError
from wbc_jax.leakage.audit import audit_folder
from wbc_jax.leakage.audit_run import run_on_input


@pytest.mark.parametrize(
    ("place", "wanted", "parts"),
    [
        ("nowhere", (), ("input=", "nowhere does not exist")),
        ("test/eosinophil/smear4_5.jpeg", (), ("neither a folder nor a readable zip",)),
        (
            "test/monocyte/..",
            ("eosinophil",),
            ("parts=eosinophil names only one folder", "as of lymphocyte, monocyte, neutrophil,"),
        ),
        ("test/eosinophil", (), ("at least two folders", "there is none")),
        ("", ("test", "dev"), ("parts=dev is not a folder of", "there are: test, train")),
        ("", ("test",), ("parts=test names only one folder", "add another, as of train")),
        ("", ("test", "test"), ("parts=test names only one folder",)),
        ("set.zip", (), ("at least two folders", "there is train:")),
        ("set.zip", ("train",), ("at least two folders", "there is train:")),
        ("set.zip/images", (), ("images is not a folder of", "there are: train")),
    ],
)
def test_a_place_without_two_parts(
    place: str, wanted: tuple[str, ...], parts: tuple[str, ...], leaky: Path
) -> None:
    with zipfile.ZipFile(leaky / "set.zip", "w") as archive:
        archive.writestr("train/a.jpeg", b"")
    with pytest.raises(UserError) as mistake:
        audit_folder(leaky / place, wanted)
    for part in parts:
        assert part in str(mistake.value)


def pages_of_tiff() -> bytes:
    """A TIFF of several pages, as scanners of whole slides write under names of their own."""
    buffer, page = io.BytesIO(), Image.new("RGB", (8, 8))
    page.save(buffer, "TIFF", save_all=True, append_images=[page])
    return buffer.getvalue()


@pytest.mark.parametrize("in_zip", [False, True])
def test_what_is_not_compared_is_named(in_zip: bool, clean: Path, tmp_path: Path) -> None:
    put(clean / "train", "README.pdf", b"%PDF-1.4 hello")
    put(clean / "test", "features.h5", b"\x89HDF\r\n\x1a\n")
    put(clean / "train", "photo.heic", b"\0\0\0\x18ftypheic")
    put(clean / "train", "slide.svs", pages_of_tiff())
    put(clean / "test", "scan.dcm", bytes(128) + b"DICM")
    put(clean / "test", "photo.HEIC", b"\0\0\0\x18ftypheic")
    put(clean, "loose.png", copy_of(0, 0))
    put(clean, "labels.csv", b"a,b")
    place = clean
    if in_zip:
        place = Path(shutil.make_archive(str(tmp_path / "whole"), "zip", clean))
    notes = audit_folder(place).notes
    assert notes == [
        "4 pictures are in formats not read here, and no part of the comparison: 2 .heic, 1 .dcm, "
        "1 .svs. Save such pictures as PNG.",
        "2 files are no pictures and were passed over: 1 .h5, 1 .pdf.",
        "1 picture lies beside the parts, in none of them, and no part of the comparison: "
        "loose.png.",
    ]


def test_a_picture_that_has_another_formats_ending_is_compared(clean: Path) -> None:
    put(clean / "test", "camera.raw", copy_of(0, 0))
    (pair,) = [pair for pair in audit_folder(clean).pairs if pair.how == "bytes"]
    assert pair.file_a == "camera.raw"


def test_parts_of_pictures_that_are_not_read_are_refused_by_their_format(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        put(tmp_path / part, "a.heic", b"\0\0\0\x18ftypheic")
    with pytest.raises(UserError, match=r"nothing to compare\. 2 pictures .* 2 \.heic"):
        audit_folder(tmp_path)


def test_a_link_to_the_folder_above_brings_no_other_part_in(clean: Path) -> None:
    (clean / "train" / "up").symlink_to("..")
    findings = audit_folder(clean)
    assert (findings.parts, findings.pairs) == ({"test": 4, "train": 4}, [])


def test_a_division_within_each_class_is_not_taken_for_a_clean_one(clean: Path) -> None:
    """The first folders would be the classes, which have nothing in common."""
    by_class = clean.parent / "by_class"
    for part in ("train", "test"):
        for number, name in enumerate(("eos", "neu")):
            (by_class / name / part).mkdir(parents=True)
            put(by_class / name / part, "a.jpeg", copy_of(number, 0))
    with pytest.raises(UserError, match=r"in each of them lie test, train, .* \(test/eos/\.\.\.\)"):
        audit_folder(by_class)
    assert audit_folder(by_class, ["eos", "neu"]).pairs == []


def test_a_report_is_named_by_the_whole_name_of_its_folder(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data.v1", "data.v2"):
        shutil.copytree(clean, tmp_path / name)
        run_on_input(Path(name), parts=[], workdir=None)
    shutil.make_archive("data.v3", "zip", clean.parent, clean.name)
    run_on_input(Path("data.v3.zip", clean.name), parts=[], workdir=None)
    shutil.make_archive("data.v4", "zip", clean)
    run_on_input(Path("data.v4.zip"), parts=[], workdir=None)
    written = {path.name for path in (tmp_path / "runs").iterdir()}
    assert written == {"audit-data.v1", "audit-data.v2", "audit-set", "audit-data.v4"}


def test_a_report_is_not_written_into_the_pictures(clean: Path, tmp_path: Path) -> None:
    for output in (clean / "out", clean / "train" / "out"):
        with pytest.raises(UserError, match="lies within input="):
            run_on_input(clean, parts=[], workdir=output)
    with pytest.raises(UserError, match="names only one folder"):
        run_on_input(clean, parts=["train"], workdir=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    run_on_input(clean, parts=["train", "test"], workdir=clean / "report")
    assert (clean / "report" / "audit.html").is_file()
