"""The kernels are compiled once; where they cannot be, the layers do without and say why."""

import functools
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from tests.nn.convolution_cases import Case, assert_exact, results
from tests.nn.native.compilers import SLOW, FakeCompilers, install, times_compiled, warnings_of
from wbc_jax.nn.convolution import conv2d
from wbc_jax.nn.lowering import lower_conv
from wbc_jax.nn.native import library
from wbc_jax.nn.native.compiler import is_whole

ROOT = Path(__file__).resolve().parents[3]
CASE = Case((9, 8), channels=16, features=16)


def convolve(case: Case = CASE) -> None:
    """Convolves without the kernels, rightly."""
    arguments = jnp.zeros((2, *case.size, 16)), jnp.zeros((3, 3, 16, 16)), jnp.float32
    assert lower_conv(*arguments, case.strides, case.pads, case.output_size).kind == "canonical"
    assert_exact(results(conv2d, case), case)


def test_without_a_compiler_it_works_and_warns_once(
    unasked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(monkeypatch, tmp_path)
    convolve()
    convolve()
    (warning,) = warnings_of(caplog)
    assert SLOW in warning
    assert "no C compiler found: pip install ziglang" in warning
    assert not unasked.exists()


def test_a_failing_compilers_message_is_shown(
    unasked: Path, compiler: FakeCompilers, caplog: pytest.LogCaptureFixture
) -> None:
    compiler("output.write_bytes(b'half')\nsys.exit('no such register: zmm99' + 9999 * '!')")
    assert not library.is_available()
    (warning,) = warnings_of(caplog)
    assert "no such register: zmm99" in warning
    assert len(warning) < 1000
    assert list(unasked.iterdir()) == []


def test_a_message_in_another_encoding_is_shown(
    unasked: Path, compiler: FakeCompilers, caplog: pytest.LogCaptureFixture
) -> None:
    compiler("sys.stderr.buffer.write(b'kein Speicher f\\xfcr zmm99'); sys.exit(1)")
    assert not library.is_available()
    (warning,) = warnings_of(caplog)
    assert "r zmm99" in warning


def test_a_compiler_that_does_not_end_is_stopped(
    unasked: Path,
    compiler: FakeCompilers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("wbc_jax.nn.native.compiler._TIMEOUT_SECONDS", 0.1)
    compiler("time.sleep(100)")
    assert not library.is_available()
    (warning,) = warnings_of(caplog)
    assert "timed out" in warning
    assert list(unasked.iterdir()) == []


@pytest.mark.parametrize("script", ["output.write_bytes(b'no library')", ""])
def test_a_compiler_that_makes_nothing_useful_is_reported(
    unasked: Path, compiler: FakeCompilers, caplog: pytest.LogCaptureFixture, script: str
) -> None:
    compiler(script)
    assert not library.is_available()
    assert all(map(is_whole, unasked.glob("*.so")))  # as it was made
    (warning,) = warnings_of(caplog)
    assert SLOW in warning
    assert "wbc_" in warning


def test_where_one_compiler_fails_the_next_is_taken(
    unasked: Path,
    compiler: FakeCompilers,
    copying: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compiler("sys.exit('broken')", copying, "sys.exit('needless')")
    assert library.is_available()
    assert times_compiled(tmp_path) == 1
    assert warnings_of(caplog) == []


def test_where_all_fail_the_last_reason_is_shown(
    unasked: Path, compiler: FakeCompilers, caplog: pytest.LogCaptureFixture
) -> None:
    compiler("sys.exit('first')", "sys.exit('second')")
    assert not library.is_available()
    (warning,) = warnings_of(caplog)
    assert "second" in warning


def test_threads_that_ask_at_once_get_one_library(
    unasked: Path, compiler: FakeCompilers, copying: str, tmp_path: Path
) -> None:
    compiler("time.sleep(0.3)\n" + copying)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(library._library())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] is found[1] is found[2] is not None
    assert times_compiled(tmp_path) == 1


@pytest.mark.usefixtures("native")
def test_the_library_is_compiled_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(compiler: Any, path: Path) -> None:
        raise AssertionError(f"{path} is there already")

    monkeypatch.setattr(library, "compile_library", refuse)
    assert library._register.__wrapped__()
    assert library.is_available.__wrapped__()
    assert warnings_of(caplog) == []


@pytest.mark.usefixtures("native")
def test_another_process_takes_the_library_that_is_there() -> None:
    code = (
        "from wbc_jax.nn.native import library\n"
        "library.compile_library = lambda *_: (_ for _ in ()).throw(FileNotFoundError('asked'))\n"
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
