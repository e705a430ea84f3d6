"""Folders and zips seen alike, and what is found in them."""

import zipfile
from pathlib import Path

import pytest

from wbc_jax.datasets import image_tree, in_words
from wbc_jax.datasets.image_tree import FolderTree, ImageTree, ZipTree
from wbc_jax.errors import UserError
from wbc_jax.leakage.picture_parts import open_parts

FILES = {
    "set/images/A/1.jpeg": b"one",
    "set/images/A/deep/2.jpeg": b"two",
    "set/images/B/3.jpeg": b"three",
    "set/readme.txt": b"beside",
}
JUNK = ("set/images/.DS_Store", "set/images/A/Thumbs.db", "__MACOSX/set/images/A/._1.jpeg")


@pytest.fixture(params=["folder", "zip"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same files as a folder and as a zip, junk among them."""
    files = FILES | dict.fromkeys(JUNK, b"junk")
    if request.param == "zip":
        return write_zip(tmp_path / "set.zip", files)
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    return tmp_path


def write_zip(archive: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(archive, "w") as opened:
        for path, data in files.items():
            opened.writestr(path, data)
    return archive


def has_a(tree: ImageTree) -> bool:
    return "A" in tree.folders()


def test_folder_and_zip_show_the_same_files(place: Path) -> None:
    tree = FolderTree(place) if place.is_dir() else ZipTree(place)
    assert tree.folders() == ("set",)
    assert tree.files() == tuple(sorted(FILES))
    assert tree.own_files() == ()
    assert tree.below("set").own_files() == ("readme.txt",)
    images = tree.below("set/images")
    assert images.folders() == ("A", "B")
    assert images.files() == ("A/1.jpeg", "A/deep/2.jpeg", "B/3.jpeg")
    assert images.below("A").read("deep/2.jpeg") == b"two"
    assert images.where == f"{place}/set/images"


@pytest.mark.parametrize("layout", ["set/images", "SET/Images", "s*/images", "*/images"])
def test_find_matches_layouts_in_any_case(place: Path, layout: str) -> None:
    found = image_tree.find(place, ("elsewhere", layout), has_a)
    assert found is not None
    assert found.files()[0] == "A/1.jpeg"


def test_find_wants_the_mark_of_a_root(place: Path) -> None:
    assert image_tree.find(place, ("set", ""), has_a) is None


def test_earlier_layouts_win(tmp_path: Path) -> None:
    for folder in ("late", "early"):
        (tmp_path / folder / "A").mkdir(parents=True)
    found = image_tree.find(tmp_path, ("early", "late"), has_a)
    assert found is not None
    assert found.where.endswith("early")


def test_zips_in_a_folder_come_after_its_folders(tmp_path: Path) -> None:
    write_zip(tmp_path / "b.ZIP", {"images/A/from_zip": b""})
    (tmp_path / "a.zip").write_bytes(b"broken")
    found = image_tree.find(tmp_path, ("images",), has_a)
    assert found is not None
    assert found.files() == ("A/from_zip",)
    (tmp_path / "images" / "A").mkdir(parents=True)
    (tmp_path / "images" / "A" / "from_folder").touch()
    found = image_tree.find(tmp_path, ("images",), has_a)
    assert found is not None
    assert found.files() == ("A/from_folder",)


def test_a_place_that_is_not_there_or_no_zip_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data_dir=.*nowhere does not exist"):
        image_tree.find(tmp_path / "nowhere", ("",), has_a)
    for impossible in ("x" * 300, "null\0byte"):
        with pytest.raises(UserError, match=r"data_dir=.* does not exist"):
            image_tree.find(tmp_path / impossible, ("",), has_a)
        with pytest.raises(UserError, match=r"input=.* does not exist"):
            open_parts(tmp_path / impossible / "folder", ())
    (tmp_path / "set.rar").write_bytes(b"Rar!")
    with pytest.raises(UserError, match=r"set\.rar is not a readable zip.*unpack it"):
        image_tree.find(tmp_path / "set.rar", ("",), has_a)


def test_names_written_on_windows_are_read(tmp_path: Path) -> None:
    tree = ZipTree(write_zip(tmp_path / "odd.zip", {"in\\side": b"kept"}))
    assert tree.files() == ("in/side",)
    assert tree.read("in/side") == b"kept"


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "set.zip", {"A/1.jpeg": b"content of a file"})
    archive.write_bytes(archive.read_bytes().replace(b"content of", b"CONTENT OF"))
    with pytest.raises(UserError, match=r"set\.zip/A/1\.jpeg cannot be read \(Bad CRC"):
        ZipTree(archive).read("A/1.jpeg")


def test_a_file_that_has_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1\.jpeg cannot be read \(No such file"):
        FolderTree(tmp_path).read("1.jpeg")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpeg").touch()
    (tmp_path / "root" / "A").mkdir(parents=True)
    (tmp_path / "root" / "A" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "A" / "back").symlink_to(tmp_path / "root")
    assert FolderTree(tmp_path / "root").files() == ("A/linked/1.jpeg",)


@pytest.mark.parametrize("is_link", [False, True])
def test_links_to_folders_above_are_not_followed(is_link: bool, tmp_path: Path) -> None:
    """Else a part would seem to hold all the other parts, too."""
    root, part = tmp_path / "root", tmp_path / "root" / "A"
    if is_link:  # the part lies elsewhere
        part = tmp_path / "elsewhere"
        root.mkdir()
        (root / "A").symlink_to(part)
    part.mkdir(parents=True)
    (part / "1.jpeg").touch()
    (root / "B" / "deep").mkdir(parents=True)
    (root / "B" / "2.jpeg").touch()
    (part / "up").symlink_to(root)
    (part / "top").symlink_to(tmp_path)
    (part / "beside").symlink_to(root / "B")
    (root / "B" / "deep" / "up").symlink_to(root)
    tree = FolderTree(root)
    assert tree.below("A").files() == ("1.jpeg", "beside/2.jpeg")
    assert tree.below("B").files() == ("2.jpeg",)
    assert FolderTree(root / "B" / "deep" / "..").files() == ("2.jpeg",)


def test_describe_says_what_is_there_instead(tmp_path: Path) -> None:
    assert in_words.describe(tmp_path) == "nothing"
    (tmp_path / "cats").mkdir()
    (tmp_path / "cat.jpg").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "half.zip").write_bytes(b"PK\x03\x04")
    text = "cat.jpg, cats/, half.zip (not a readable zip)"
    assert in_words.describe(tmp_path) == text
    assert in_words.describe(tmp_path, at_most=1) == "cat.jpg and 2 more"
    archive = write_zip(tmp_path / "whole.zip", {"dogs/1.jpg": b"", "dogs/2.jpg": b"", "x": b""})
    assert in_words.describe(archive) == "dogs/, x"
