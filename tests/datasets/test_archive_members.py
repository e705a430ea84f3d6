"""Archives that mean harm, or are damaged, are refused by their member; nothing is written."""

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.datasets.lisc_tree import write_lisc_tree
from tests.leakage.smear_files import copy_of
from wbc_jax.datasets import archive_members
from wbc_jax.datasets.image_tree import ZipTree
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import prepare
from wbc_jax.errors import UserError
from wbc_jax.leakage.audit import audit_folder

Change = Callable[[zipfile.ZipFile], None]


def named(name: str) -> Change:
    """Adds a member of that name, letter for letter."""

    def add(archive: zipfile.ZipFile) -> None:
        member = zipfile.ZipInfo("placeholder")
        member.filename = name
        archive.writestr(member, b"harm")

    return add


def link(archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo("train/link.png")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(member, "/etc/passwd")


def twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("train/again.png", b"one")
    archive.writestr("train\\again.png", b"two")


REFUSED: dict[str, tuple[Change, str, str]] = {
    "folder above": (named("../out.png"), "../out.png", "leads out"),
    "folder above, deep": (named("train/a/../../../out.png"), "a/../../../out.png", "leads out"),
    "folder above, Windows": (named("..\\out.png"), "out.png", "leads out"),
    "folder above, hidden": (named(".git/../../out.png"), ".git/../../out.png", "leads out"),
    "absolute": (named("/etc/out.png"), "/etc/out.png", "leads out"),
    "absolute, Windows": (named("C:\\out.png"), "C:", "leads out"),
    "network share": (named("\\\\host\\out.png"), "host", "leads out"),
    "a folder's entry": (named("../out/"), "../out/", "leads out"),
    "link": (link, "train/link.png", "is a link"),
    "twice": (twice, "again.png", "in it twice"),
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of two parts with a picture each; only to be copied."""
    archive = tmp_path_factory.mktemp("zip") / "set.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("train/1.jpeg", copy_of(0, 0))
        opened.writestr("test/1.jpeg", copy_of(1, 0))
    return archive


@pytest.fixture
def archive(pictures: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    return Path(shutil.copy(pictures, tmp_path / "set.zip"))


def everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def refusal(archive: Path) -> str:
    """Returns what the audit says; what it leaves behind would be found."""
    before = everything(archive.parent)
    with pytest.raises(UserError) as caught:
        audit_folder(archive)
    assert everything(archive.parent) == before
    return str(caught.value)


@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_with_the_member_named(kind: str, archive: Path) -> None:
    change, member, reason = REFUSED[kind]
    with zipfile.ZipFile(archive, "a") as opened:
        change(opened)
    message = refusal(archive)
    assert str(archive) in message
    assert member in message.replace("\\\\", "\\")
    assert reason in message


@pytest.mark.parametrize("kind", REFUSED)
def test_a_builder_says_why_it_did_not_take_an_archive(kind: str, tmp_path: Path) -> None:
    change, _, reason = REFUSED[kind]
    root = write_lisc_tree(tmp_path / "unpacked", per_class=1, mixt=0)
    (tmp_path / "here").mkdir()
    archive = tmp_path / "here" / "LISC.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in root.rglob("*.bmp"):
            opened.write(path, path.relative_to(root.parent))
        change(opened)
    before = everything(tmp_path)
    for place in (archive, archive.parent):  # the zip itself, and the folder it lies in
        with pytest.raises(UserError) as caught:
            prepare("lisc", Places(place, tmp_path / "cache"))
        assert "LISC.zip" in str(caught.value)
        assert reason in str(caught.value)
    shutil.rmtree(tmp_path / "cache")
    assert everything(tmp_path) == before


def test_a_member_with_a_password_is_named(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1  # the flag that says: encrypted
    archive.write_bytes(data)
    assert "'train/1.jpeg': it is encrypted" in refusal(archive)


def test_a_member_compressed_in_an_unknown_way_is_named(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    for header, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(header) + method] = 99
    archive.write_bytes(data)
    assert "train/1.jpeg" in refusal(archive)
    with pytest.raises(UserError, match=r"train/1\.jpeg cannot be read .*unpack the archive"):
        ZipTree(archive).read("train/1.jpeg")


def test_a_bomb_is_refused_before_it_is_unpacked(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("train/bomb.png", bytes(archive_members.RATIO_FREE_BYTES + 1))
        opened.writestr("train/small.png", bytes(1 << 20))  # as well compressed, but harmless
    tree = ZipTree(archive)
    assert len(tree.read("train/small.png")) == 1 << 20
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *args: pytest.fail("unpacked"))
    with pytest.raises(UserError, match=r"bomb\.png is refused: .* unpack to 16,777,217, over 100"):
        tree.read("train/bomb.png")


def test_a_member_that_unpacks_to_more_than_it_says_is_named(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("train/liar.png", bytes(1 << 20))
    data = archive.read_bytes()
    size = (1 << 20).to_bytes(4, "little")
    assert data.count(size) >= 2
    archive.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(UserError, match=r"train/liar\.png cannot be read \(Bad CRC"):
        ZipTree(archive).read("train/liar.png")


def test_a_truncated_archive_is_named_wherever_it_was_cut(archive: Path) -> None:
    data = archive.read_bytes()
    for length in range(0, len(data), 401):
        archive.write_bytes(data[:length])
        assert str(archive) in refusal(archive)


def test_an_archive_of_other_content_is_refused(archive: Path, tmp_path: Path) -> None:
    assert "test/, train/" in refusal_of_builder("blood_cells", archive, tmp_path)
    assert "test/, train/" in refusal_of_builder("lisc", archive, tmp_path)
    archive.write_bytes(b"Rar!\x1a\x07\x00")
    assert "neither a folder nor a readable zip" in refusal(archive)
    assert "not a readable zip" in refusal_of_builder("lisc", archive, tmp_path)


def refusal_of_builder(name: str, archive: Path, cache: Path) -> str:
    with pytest.raises(UserError) as caught:
        prepare(name, Places(archive, cache))
    return str(caught.value)


def write_without_flag(archive: Path, members: dict[bytes, bytes]) -> None:
    """Writes members under these very bytes, saying of none that its name is UTF-8."""
    stands_for = {f"{number:0{len(name)}}": name for number, name in enumerate(members)}
    with zipfile.ZipFile(archive, "w") as opened:
        for number, content in zip(stands_for, members.values(), strict=True):
            opened.writestr(number, content)
    data = archive.read_bytes()
    for number, name in stands_for.items():
        data = data.replace(number.encode(), name)
    archive.write_bytes(data)


def test_names_that_are_utf8_without_saying_so_are_read_as_they_were_written(archive: Path) -> None:
    """As some versions of macOS write them; others mean what the old rule says."""
    of_mac, old = "patie\u0308nt/\u767d.png", "caf\u00e9.png"
    write_without_flag(archive, {of_mac.encode(): b"mac", old.encode("cp437"): b"dos"})
    tree = ZipTree(archive)
    assert {path: tree.read(path) for path in tree.files()} == {of_mac: b"mac", old: b"dos"}


def test_names_that_say_they_are_utf8_are_not_decoded_twice(archive: Path) -> None:
    name = "\u00e9.png".encode().decode("cp437")
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, b"flagged")
    assert ZipTree(archive).files() == (name,)


def test_names_that_coincide_once_decoded_are_told(archive: Path) -> None:
    name = "\u00e9.png"
    write_without_flag(archive, {name.encode(): b"one", name.encode("cp437"): b"two"})
    with pytest.raises(UserError, match=r"member '\u00e9\.png': it is in it twice"):
        ZipTree(archive)
    write_without_flag(archive, {"../\u00e9.png".encode(): b"one"})
    with pytest.raises(UserError, match=r"member '\.\./\u00e9\.png': its name leads out"):
        ZipTree(archive)


def test_a_name_that_would_move_the_cursor_is_escaped(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as opened:
        named("../\x1b[2J\n.png")(opened)
    message = refusal(archive)
    assert "\x1b" not in message
    assert "\n" not in message
