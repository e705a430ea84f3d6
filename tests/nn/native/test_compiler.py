"""The library's name tells all that decides what is in it, and is given when it is whole."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

from tests.nn.native.compilers import install, scripted
from wbc_jax.nn.native import compiler
from wbc_jax.nn.native.compiler import compile_library, compilers, digest_file, sources_digest


def commands() -> list[str]:
    return [found.command[0] for found in compilers()]


def test_the_packaged_compiler_comes_first_then_cc_then_those_of_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, "ziglang", "cc", "gcc", "mycc")
    paths = [str(tmp_path / name) for name in ("mycc", "cc", "gcc")]
    assert commands() == [sys.executable, *paths[1:]]
    assert compilers()[0].command[:4] == (sys.executable, "-m", "ziglang", "cc")
    monkeypatch.setenv("CC", "mycc")
    assert commands() == [sys.executable, *paths]
    monkeypatch.setenv("CC", "gcc")
    assert commands() == [sys.executable, paths[2], paths[1]]  # once
    install(monkeypatch, tmp_path)
    assert compilers() == []


def test_each_version_of_the_packaged_compiler_has_its_own_digest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, "ziglang")
    digests = []
    for version in ("0.13.0", "0.14.0", "0.14.0"):
        monkeypatch.setattr(importlib.metadata, "version", lambda name, v=version: f"{name} {v}")
        digests.append(compilers()[0].digest())
    assert digests[0] != digests[1] == digests[2]
    monkeypatch.setattr(sys, "executable", "/another/environment/python")
    assert compilers()[0].digest() == digests[2]


def test_a_packaged_compiler_without_metadata_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, "ziglang")

    def none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", none)
    assert "unknown" in compilers()[0].version


def test_another_binary_of_a_compiler_has_another_digest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, tmp_path, "cc", "gcc")
    first, other = compilers()
    assert first.digest() != other.digest()
    (tmp_path / "cc").write_bytes(b"as large as another")
    larger = compilers()[0]
    os.utime(tmp_path / "cc", (1, 1))
    older = compilers()[0]
    assert len({found.digest() for found in (first, larger, older)}) == 3
    assert compilers()[1] == other


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_FLAGS", ("-O0",)),
        ("_machine", lambda: "another"),
        ("jax.__version__", "0.0.1"),
        ("platform.machine", lambda: "another"),
    ],
)
def test_what_decides_the_library_is_in_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    digest = sources_digest.__wrapped__
    before = digest()
    assert digest() == before
    monkeypatch.setattr(f"wbc_jax.nn.native.compiler.{name}", value)
    assert digest() != before


@pytest.mark.parametrize("suffix", [".c", ".h"])
def test_every_source_file_is_in_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str
) -> None:
    digest = sources_digest.__wrapped__
    source = tmp_path / f"kernel{suffix}"
    source.write_text("int f(void) { return 1; }")
    monkeypatch.setattr(compiler, "_SOURCES", tmp_path)
    before = digest()
    source.write_text("int f(void) { return 2; }")
    assert digest() != before


CPUINFO = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1
cpu MHz\t\t: 2596.130
flags\t\t: fpu avx2
"""


def machine_with(monkeypatch: pytest.MonkeyPatch, cpuinfo: str) -> str:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", lambda *_, **__: cpuinfo)
        return compiler._machine()


@pytest.mark.parametrize(
    ("line", "other", "differs"),
    [
        ("AuthenticAMD", "GenuineIntel", True),
        ("family\t: 25", "family\t: 26", True),
        ("model\t\t: 17", "model\t\t: 18", True),
        ("stepping\t: 1", "stepping\t: 2", True),
        ("fpu avx2", "fpu avx2 avx512f", True),
        ("2596.130", "1000.000", False),
        ("processor\t: 0", "processor\t: 1", False),
    ],
)
def test_the_processors_kind_is_told_and_not_its_state(
    monkeypatch: pytest.MonkeyPatch, line: str, other: str, differs: bool
) -> None:
    assert line in CPUINFO
    found = [machine_with(monkeypatch, text) for text in (CPUINFO, CPUINFO.replace(line, other))]
    assert (found[0] != found[1]) == differs


def test_a_mac_is_asked_for_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    def answer(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        assert command == ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.CompletedProcess(command, 0, stdout=b"Apple M9\n")

    monkeypatch.setattr(subprocess, "run", answer)
    assert "Apple M9" in compiler._machine()

    def fail(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("sysctl")

    monkeypatch.setattr(subprocess, "run", fail)
    assert "Apple" not in compiler._machine()


def test_elsewhere_no_process_is_started_to_know_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    compiler._machine()
    compilers()


def test_the_library_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    folder, log = tmp_path / "native", tmp_path / "log"
    folder.mkdir()
    path = folder / "wbc.so"
    script = (
        f"output.write_bytes(b'half')\n"
        f"pathlib.Path({str(log)!r}).write_text(str(pathlib.Path({str(path)!r}).exists()))\n"
        f"output.write_bytes(b'half and half')"
    )
    compile_library(scripted(tmp_path, script), path)
    assert log.read_text() == "False"
    assert path.read_bytes() == b"half and half"
    assert sorted(folder.iterdir()) == [digest_file(path), path]


def test_it_is_jaxs_header_that_is_compiled_with(tmp_path: Path) -> None:
    path = tmp_path / "wbc.so"
    compile_library(scripted(tmp_path, "output.write_text(' '.join(sys.argv))"), path)
    assert f"-I{jax.ffi.include_dir()}" in path.read_text()
