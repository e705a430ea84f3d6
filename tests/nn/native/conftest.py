"""Fixtures of the tests of the library: a machine that has nothing yet, and its compilers."""

import functools
from pathlib import Path

import jax
import pytest

from tests.nn.native.compilers import FakeCompilers, scripted
from wbc_jax.nn.native import library
from wbc_jax.nn.native.compiler import Compiler


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As in a new process on a new machine: nothing loaded, an empty cache folder, returned.

    What this process has loaded stays registered with XLA, and is what later tests go on with.
    """
    for function in ("is_available", "_register"):
        uncached = getattr(library, function).__wrapped__
        monkeypatch.setattr(library, function, functools.cache(uncached))
    monkeypatch.delenv("WBC_NATIVE", raising=False)
    monkeypatch.setenv("WBC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "native"


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCompilers:
    """Returns what makes Python scripts the machine's compilers; see `scripted`."""

    def put(*scripts: str) -> list[Compiler]:
        found = [scripted(tmp_path, script) for script in scripts]
        monkeypatch.setattr(library, "compilers", lambda: found)
        return found

    return put


@pytest.fixture(scope="session")
def whole() -> Path:
    """A library that can be loaded: this process's, which is so before `unasked` hides it."""
    if jax.default_backend() != "cpu" or jax.device_count() > 1:
        pytest.skip("the kernels in C serve one CPU device")
    loaded = library._library()
    assert loaded is not None
    return Path(loaded._name)


@pytest.fixture
def copying(whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A compiler that makes that library, and counts: see `times_compiled`."""
    monkeypatch.setattr(library.jax.ffi, "register_ffi_target", lambda *_, **__: None)
    return (
        f"output.write_bytes(pathlib.Path({str(whole)!r}).read_bytes())\n"
        f"with pathlib.Path({str(tmp_path / 'log')!r}).open('a') as log: print(output, file=log)"
    )
