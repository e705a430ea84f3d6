"""The kernels are compiled once; where they cannot be, the layers do without and say why."""

import functools
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from tests.nn.convolution_cases import Case, assert_exact, results
from wbc_jax.nn.convolution import conv2d
from wbc_jax.nn.lowering import lower_conv
from wbc_jax.nn.native import library

ROOT = Path(__file__).resolve().parents[3]
CASE = Case((9, 8), channels=16, features=16)

FakeCompiler = Callable[[str], None]


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
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCompiler:
    """Returns what puts a Python script in the compiler's place; `output` is the path to write."""

    def install(script: str) -> None:
        path = tmp_path / "compiler.py"
        heading = "import pathlib, sys, time\noutput = pathlib.Path(sys.argv[-1])\n"
        path.write_text(heading + script, encoding="utf-8")
        monkeypatch.setattr(library, "_compiler", lambda: (sys.executable, str(path)))

    return install


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def install(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Makes this a machine that has these compilers and no others."""
    util = SimpleNamespace(find_spec=lambda name: name in names or None)
    monkeypatch.setattr(library, "importlib", SimpleNamespace(util=util))
    paths = {name: f"/bin/{name}" for name in names}
    monkeypatch.setattr(library, "shutil", SimpleNamespace(which=paths.get))


def convolve(case: Case = CASE) -> None:
    """Convolves without the kernels, rightly."""
    arguments = jnp.zeros((2, *case.size, 16)), jnp.zeros((3, 3, 16, 16)), jnp.float32
    assert lower_conv(*arguments, case.strides, case.pads, case.output_size).kind == "canonical"
    assert_exact(results(conv2d, case), case)


def test_without_a_compiler_it_works_and_warns_once(
    unasked: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch)
    convolve()
    convolve()
    (warning,) = warnings_of(caplog)
    assert "training on the CPU will be slow" in warning
    assert "no C compiler found: pip install ziglang" in warning
    assert not unasked.exists()


def test_a_failing_compilers_message_is_shown(
    unasked: Path, compiler: FakeCompiler, caplog: pytest.LogCaptureFixture
) -> None:
    compiler("output.write_bytes(b'half')\nsys.exit('no such register: zmm99' + 9999 * '!')")
    assert not library.is_available()
    (warning,) = warnings_of(caplog)
    assert "no such register: zmm99" in warning
    assert len(warning) < 1000
    assert list(unasked.iterdir()) == []


def test_a_compiler_that_does_not_end_is_stopped(
    unasked: Path,
    compiler: FakeCompiler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(library, "_TIMEOUT_SECONDS", 0.1)
    compiler("time.sleep(100)")
    assert not library.is_available()
    (warning,) = warnings_of(caplog)
    assert "timed out" in warning
    assert list(unasked.iterdir()) == []


def test_a_compiler_that_makes_nothing_useful_is_reported(
    unasked: Path, compiler: FakeCompiler, caplog: pytest.LogCaptureFixture
) -> None:
    compiler("output.write_bytes(b'no library')")
    assert not library.is_available()
    assert library._is_whole(next(unasked.glob("*.so")))  # as it was made
    (warning,) = warnings_of(caplog)
    assert unasked.name in warning


@pytest.fixture
def whole(native: None) -> Path:
    """The library that this process has loaded."""
    assert library.is_available()
    return library._library_path()


def test_a_library_that_was_cut_off_is_made_again(
    whole: Path,
    unasked: Path,
    compiler: FakeCompiler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compiler(f"output.write_bytes(pathlib.Path({str(whole)!r}).read_bytes())")
    monkeypatch.setattr(library.jax.ffi, "register_ffi_target", lambda *_, **__: None)
    unasked.mkdir(parents=True)
    # Loading what is left would end this process with a bus error.
    (unasked / whole.name).write_bytes(whole.read_bytes()[:1000])
    shutil.copy(library._digest_file(whole), unasked)
    assert library.is_available()
    assert (unasked / whole.name).read_bytes() == whole.read_bytes()
    assert warnings_of(caplog) == []


def test_a_cache_folder_that_cannot_be_written_is_reported(
    unasked: Path, compiler: FakeCompiler, caplog: pytest.LogCaptureFixture
) -> None:
    # A file in the folder's place: a folder's permissions do not stop every user.
    compiler("output.write_bytes(b'')")
    unasked.parent.write_bytes(b"")
    assert not library.is_available()
    (warning,) = warnings_of(caplog)
    assert str(unasked) in warning


def test_the_library_has_its_name_only_when_it_is_whole(
    unasked: Path, compiler: FakeCompiler, tmp_path: Path
) -> None:
    path = unasked / "wbc.so"
    log = tmp_path / "log"
    compiler(
        f"output.write_bytes(b'half')\n"
        f"pathlib.Path({str(log)!r}).write_text(str(pathlib.Path({str(path)!r}).exists()))\n"
        f"output.write_bytes(b'half and half')"
    )
    library._compile(path)
    assert log.read_text() == "False"
    assert path.read_bytes() == b"half and half"
    assert sorted(unasked.iterdir()) == [library._digest_file(path), path]


@pytest.mark.usefixtures("native")
def test_the_library_is_compiled_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path) -> None:
        raise AssertionError(f"{path} is there already")

    monkeypatch.setattr(library, "_compile", refuse)
    assert library._library_path().is_file()
    assert library._register.__wrapped__()
    assert library.is_available.__wrapped__()
    assert warnings_of(caplog) == []


@pytest.mark.usefixtures("native")
def test_another_process_takes_the_library_that_is_there() -> None:
    code = (
        "from wbc_jax.nn.native import library\n"
        "library._compiler = lambda: (_ for _ in ()).throw(FileNotFoundError('asked'))\n"
        "assert library.is_available()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)


@pytest.mark.usefixtures("native")
def test_it_is_switched_off_by_a_variable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = functools.cache(library.is_available.__wrapped__)
    monkeypatch.setattr(library, "is_available", fresh)
    assert library.is_available()
    fresh.cache_clear()
    monkeypatch.setenv("WBC_NATIVE", "0")
    convolve()
    assert warnings_of(caplog) == []


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    ("name", "value"), [("device_count", 2), ("default_backend", "gpu"), ("default_backend", "tpu")]
)
def test_it_serves_one_cpu_device_only(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    monkeypatch.setattr(jax, name, lambda: value)
    assert not library.is_available.__wrapped__()


def test_several_devices_share_a_convolution() -> None:
    code = """
import jax, numpy as np
jax.config.update("jax_num_cpu_devices", 2)
from tests.nn.convolution_cases import Case, assert_exact, problem, results
from wbc_jax.nn.convolution import conv2d
from wbc_jax.nn.native import library
assert len(jax.devices()) == 2 and not library.is_available()
case = Case((9, 8), channels=16, features=16)
mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
where = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
def conv(image, kernel, bias):
    return conv2d(jax.lax.with_sharding_constraint(image, where), kernel, bias)
got = results(conv, case)
assert len(got.output.sharding.device_set) == 2
assert_exact(got, case)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)


@pytest.mark.parametrize(
    ("name", "value"),
    [("_FLAGS", ("-O0",)), ("_processor", lambda: "flags: none"), ("jax.__version__", "0.0.1")],
)
def test_what_decides_the_library_is_in_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    digest = library._digest.__wrapped__
    before = digest()
    assert digest() == before
    monkeypatch.setattr(f"wbc_jax.nn.native.library.{name}", value)
    assert digest() != before


@pytest.mark.parametrize("suffix", [".c", ".h"])
def test_every_source_file_is_in_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str
) -> None:
    digest = library._digest.__wrapped__
    source = tmp_path / f"kernel{suffix}"
    source.write_text("int f(void) { return 1; }")
    monkeypatch.setattr(library, "_SOURCES", tmp_path)
    before = digest()
    source.write_text("int f(void) { return 2; }")
    assert digest() != before


def test_the_packaged_compiler_comes_first_then_cc_then_those_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, "ziglang", "cc", "gcc", "mycc")
    assert library._compiler()[:4] == (sys.executable, "-m", "ziglang", "cc")
    install(monkeypatch, "gcc", "mycc")
    monkeypatch.setenv("CC", "mycc")
    assert library._compiler()[0] == "/bin/mycc"
    monkeypatch.delenv("CC")
    assert library._compiler()[0] == "/bin/gcc"
