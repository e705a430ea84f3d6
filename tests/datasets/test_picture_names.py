"""Files are told apart by their endings, and none is left out without a word."""

import pytest

from wbc_jax.datasets.decoding import FORMATS
from wbc_jax.datasets.picture_names import (
    ARCHIVES,
    NOT_READ,
    beside,
    is_archive,
    is_meant,
    is_read,
    passed_over,
)


@pytest.mark.parametrize("name", ["a.jpeg", "A.JPG", "x/y.tif", "b.png", "c.jp2", "d.mpo", "e.pgm"])
def test_what_the_decoder_reads_is_meant_to_be_readable(name: str) -> None:
    assert is_read(name)


@pytest.mark.parametrize("name", ["README.pdf", "features.h5", "a.mpg", "a.heic", "a.txt", "png"])
def test_pillows_other_endings_are_no_promise(name: str) -> None:
    assert not is_read(name)


def test_no_ending_is_both_read_and_not_read() -> None:
    assert not [ending for ending in NOT_READ if is_read(f"a{ending}")]
    assert all(ending.startswith(".") and ending == ending.lower() for ending in NOT_READ)
    assert "HEIF" not in FORMATS


def test_archives_are_no_pictures() -> None:
    assert is_archive("a/slide-1.ZIP")
    assert is_archive("cells.tar.gz")
    assert not is_archive("zip")
    assert not [ending for ending in ARCHIVES if is_meant(f"a{ending}")]


def test_endings_are_named_with_counts() -> None:
    files = ["a.txt", "b/c.TXT", "d.csv", "noending", "e.heic", "f.HEIC", "g.dcm"]
    pictures, others = passed_over(files)
    assert pictures.startswith("3 pictures are in formats not read here, and no part")
    assert ": 2 .heic, 1 .dcm. Save such pictures as PNG." in pictures
    assert others == (
        "4 files are no pictures and were passed over: 2 .txt, 1 without ending, 1 .csv."
    )
    assert passed_over([]) == []
    assert passed_over(["a.svs"])[0].startswith("1 picture is in a format")


def test_of_many_endings_the_most_frequent_are_named() -> None:
    files = [f"a.x{n}" for n in range(9)] + ["b.x8", "c.\x1b[2J"]
    (note,) = passed_over(files)
    assert "2 .x8, 1 .\\x1b[2j, 1 .x0" in note
    assert note.endswith("and 4 more.")


def test_loose_pictures_are_named() -> None:
    (note,) = beside(["a.png", "labels.csv", "b.heic"])
    assert note.startswith("2 pictures lie beside the parts, in none of them")
    assert note.endswith(": a.png, b.heic.")
    assert beside(["labels.csv"]) == []
