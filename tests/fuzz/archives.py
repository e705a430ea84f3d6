"""Archives with members of every name and kind, damaged and whole."""

import contextlib
import io
import tempfile
import warnings
import zipfile
from pathlib import Path

from hypothesis import strategies as st

from wbc_jax.datasets import image_tree, in_words
from wbc_jax.datasets.image_tree import ZipTree
from wbc_jax.errors import UserError
from wbc_jax.leakage.picture_parts import open_parts

_PARTS = st.one_of(
    st.sampled_from(("train", "test", "..", ".", "", "a.png", "C:", "\\", "LISC Database", "eosi")),
    st.text(max_size=6),
)
_NAMES = st.lists(_PARTS, min_size=1, max_size=5).map("/".join)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Draws a zip of up to six members, and changes up to three stretches of its bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name in draw(st.lists(_NAMES, max_size=6)):
            member = zipfile.ZipInfo("placeholder")
            member.filename = name
            member.external_attr = draw(st.sampled_from((0, 0o120777 << 16, 0o100644 << 16, 16)))
            member.compress_type = draw(st.sampled_from((0, 8, 12, 14)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of names that occur twice
                # Some names no zip can hold.
                with contextlib.suppress(UnicodeError, ValueError):
                    opened.writestr(member, draw(st.binary(max_size=300)))
    content = bytearray(buffer.getvalue())
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(content)))
        new = draw(st.one_of(st.binary(min_size=1, max_size=4), st.just(b""), st.just(b"\xff\xff")))
        content[place : place + max(1, len(new))] = new
    return bytes(content)


def _nameless() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        member = zipfile.ZipInfo("placeholder")
        member.filename = ""
        opened.writestr(member, b"")
    return buffer.getvalue()


FOUND = (_nameless(),)  # an IndexError in zipfile
FILES = st.one_of(archives(), st.binary(max_size=100))


def archive_members(content: bytes) -> None:
    """Every archive is refused or read in place; nothing is written beside it."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "set.zip")
        archive.write_bytes(content)
        try:
            tree = ZipTree(archive)
        except UserError as error:
            assert "set.zip" in str(error)
            assert str(error).isprintable()
        else:
            for name in tree.files():
                assert not name.startswith("/")
                assert ".." not in name.split("/")
                try:
                    assert isinstance(tree.read(name), bytes)
                except UserError as error:
                    assert str(error).isprintable()
            for name in tree.folders():
                tree.below(name).files()
        for use in (
            lambda: image_tree.find(archive, ("", "*/images"), lambda t: "train" in t.folders()),
            lambda: in_words.describe(Path(folder)),
            lambda: open_parts(archive, ()),
        ):
            try:
                use()
            except UserError:
                continue
        assert [path.name for path in Path(folder).rglob("*")] == ["set.zip"]
        assert archive.read_bytes() == content
