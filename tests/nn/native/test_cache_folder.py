"""The library is kept, found and made anew; where it cannot be kept, made for one process."""

from pathlib import Path
from typing import Any

import pytest

from tests.nn.native.compilers import SLOW, FakeCompilers, times_compiled, warnings_of
from wbc_jax.digests import file_sha256
from wbc_jax.nn.native import library
from wbc_jax.nn.native.compiler import digest_file, is_whole


def test_each_compiler_has_a_library_of_its_own(
    unasked: Path, compiler: FakeCompilers, copying: str, tmp_path: Path
) -> None:
    for _ in range(2):
        compiler(copying)  # another one each time
        for _ in range(2):
            library._register.cache_clear()
            assert library._library()
    assert times_compiled(tmp_path) == len(list(unasked.glob("*.so"))) == 2


@pytest.mark.parametrize("scripts", [(), ("sys.exit('broken')",)])
def test_without_a_compiler_any_library_that_is_there_is_taken(
    unasked: Path,
    compiler: FakeCompilers,
    copying: str,
    caplog: pytest.LogCaptureFixture,
    scripts: tuple[str, ...],
) -> None:
    compiler(copying)
    assert library._library()
    library._register.cache_clear()
    compiler(*scripts)
    assert library.is_available()
    assert warnings_of(caplog) == []


def put(path: Path, content: bytes, *, digest_of: bytes | None = None) -> None:
    """Writes a library as if it had been compiled, or cut off since: its digest is of all bytes."""
    path.parent.mkdir(parents=True)
    path.write_bytes(content if digest_of is None else digest_of)
    digest_file(path).write_text(file_sha256(path))
    path.write_bytes(content)


def test_a_library_that_was_cut_off_is_made_again(
    whole: Path,
    unasked: Path,
    compiler: FakeCompilers,
    copying: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (found,) = compiler(copying)
    path = library._library_path(found.digest())
    # Loading what is left would end this process with a bus error.
    put(path, whole.read_bytes()[:1000], digest_of=whole.read_bytes())
    assert library.is_available()
    assert path.read_bytes() == whole.read_bytes()
    assert warnings_of(caplog) == []


def test_a_library_that_cannot_be_loaded_is_made_again_once(
    whole: Path,
    unasked: Path,
    compiler: FakeCompilers,
    copying: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (found,) = compiler(copying)
    path = library._library_path(found.digest())
    put(path, b"\x7fELF, built for another system")
    assert is_whole(path)
    assert library.is_available()
    assert path.read_bytes() == whole.read_bytes()
    assert times_compiled(tmp_path) == 1
    assert warnings_of(caplog) == []


def make_unwritable(folder: Path) -> None:
    """A file in the cache folder's place: a folder's permissions do not stop every user."""
    folder.parent.write_bytes(b"")


def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WBC_CACHE_DIR")

    def nobody(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nobody)


@pytest.mark.parametrize("has_home", [True, False])
def test_where_no_cache_folder_can_be_written_it_compiles_for_this_process(
    unasked: Path,
    compiler: FakeCompilers,
    copying: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    has_home: bool,
) -> None:
    if has_home:
        make_unwritable(unasked)
    else:
        without_home(monkeypatch)
    compiler("sys.exit('broken')", copying)
    assert library.is_available()
    library.has_half()
    (warning,) = warnings_of(caplog)
    assert "compiled anew by every start" in warning
    assert "WBC_CACHE_DIR" in warning
    assert not has_home or str(unasked) in warning
    made = Path((tmp_path / "log").read_text().strip())
    assert not any(folder.exists() for folder in made.parents[:2])  # loaded, so needed no more


def test_where_nothing_can_be_written_it_says_so(
    unasked: Path,
    compiler: FakeCompilers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_unwritable(unasked)
    monkeypatch.setattr(library.tempfile, "tempdir", str(unasked))
    compiler("output.write_bytes(b'')")
    assert not library.is_available()
    assert [SLOW in warning for warning in warnings_of(caplog)] == [False, True]


def test_a_cache_folder_that_can_only_be_read_serves(
    unasked: Path,
    compiler: FakeCompilers,
    copying: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compiler(copying)
    assert library._library()
    library._register.cache_clear()

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is to be written")

    monkeypatch.setattr(library, "_folder_to_write", refuse)
    assert library.is_available()
    assert times_compiled(tmp_path) == 1
    assert warnings_of(caplog) == []
