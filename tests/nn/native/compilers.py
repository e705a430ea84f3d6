"""Python scripts in the place of compilers, for the tests of the library."""

import importlib.metadata
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from wbc_jax.nn.native import compiler
from wbc_jax.nn.native.compiler import Compiler

FakeCompilers = Callable[..., list[Compiler]]

SLOW = "training on the CPU will be slow"
HEADING = "import pathlib, sys, time\noutput = pathlib.Path(sys.argv[-1])\n"


def scripted(folder: Path, script: str) -> Compiler:
    """A Python script as a compiler; `output` is the path to write."""
    path = folder / f"compiler{len(list(folder.glob('*.py')))}.py"
    path.write_text(HEADING + script, encoding="utf-8")
    return Compiler((sys.executable, str(path)), version=path.name)


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str) -> None:
    """Makes this a machine that has these compilers and no others."""
    monkeypatch.delenv("CC", raising=False)
    util = SimpleNamespace(find_spec=lambda name: name in names or None)
    found = SimpleNamespace(util=util, metadata=importlib.metadata)
    monkeypatch.setattr(compiler, "importlib", found)
    for name in names:
        (folder / name).write_bytes(b"")
    paths = {name: str(folder / name) for name in names}
    monkeypatch.setattr(compiler, "shutil", SimpleNamespace(which=paths.get))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def times_compiled(tmp_path: Path) -> int:
    """How often the compiler of the fixture `copying` was asked."""
    log = tmp_path / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0
