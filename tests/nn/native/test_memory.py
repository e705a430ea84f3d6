"""Freed memory is kept for the kernels alone; what a thread used is given back when it ends."""

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wbc_jax import accelerators
from wbc_jax.nn.native import memory

ROOT = Path(__file__).resolve().parents[3]
TRIM, THRESHOLD, MMAP_MAX, ARENAS = -1, -3, -4, -8  # malloc.h of glibc
MOST = 2**31 - 1

Calls = list[tuple[int, int]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What a C library that accepts everything was told; JAX will take the CPU."""
    monkeypatch.delenv("WBC_NATIVE", raising=False)
    monkeypatch.setattr(memory, "_ACCELERATORS", ())
    return told(monkeypatch)


def told(monkeypatch: pytest.MonkeyPatch, refused: Collection[int] = ()) -> Calls:
    """Puts a C library in place that refuses some parameters; returns the calls it gets."""
    made: Calls = []

    def mallopt(parameter: int, value: int) -> int:
        made.append((parameter, value))
        return int(parameter not in refused)

    library = SimpleNamespace(mallopt=mallopt)
    monkeypatch.setattr(memory, "ctypes", SimpleNamespace(CDLL=lambda _: library))
    return made


def test_large_pieces_are_kept(calls: Calls) -> None:
    memory.keep_freed_memory()
    assert calls == [(ARENAS, 1), (THRESHOLD, MOST), (TRIM, MOST)]


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        ({THRESHOLD}, [(THRESHOLD, MOST), (MMAP_MAX, 0), (TRIM, MOST)]),
        ({THRESHOLD, MMAP_MAX}, [(THRESHOLD, MOST), (MMAP_MAX, 0)]),
    ],
    ids=["threshold", "both"],
)
def test_an_earlier_glibc_gives_no_piece_pages_of_its_own_or_is_left_alone(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, refused: set[int], expected: Calls
) -> None:
    made = told(monkeypatch, refused)
    memory.keep_freed_memory()
    assert made == [(ARENAS, 1), *expected]


def test_another_c_library_is_left_alone(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ctypes", SimpleNamespace(CDLL=lambda _: SimpleNamespace()))
    memory.keep_freed_memory()
    assert calls == []


def test_nothing_is_done_where_the_kernels_are_switched_off(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WBC_NATIVE", "0")
    memory.keep_freed_memory()
    assert calls == []


@pytest.mark.parametrize(
    ("platforms", "has_device", "has_plugin", "expects"),
    [
        ("cpu", True, True, False),
        ("cpu,cuda", True, True, False),
        ("cuda", False, False, True),
        ("tpu,cpu", False, False, True),
        (None, True, True, True),
        (None, True, False, False),  # JAX for the CPU alone, on a machine with a graphics card
        (None, False, True, False),  # JAX for CUDA on a machine without one
    ],
)
def test_it_is_left_to_the_cpu(
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    platforms: str | None,
    has_device: bool,
    has_plugin: bool,
    expects: bool,
) -> None:
    config: Any = SimpleNamespace(jax_platforms=platforms)
    monkeypatch.setattr(memory, "jax", SimpleNamespace(config=config))
    device = tmp_path / "device"
    monkeypatch.setattr(memory, "_ACCELERATORS", (str(device),))
    util = SimpleNamespace(find_spec=lambda name: has_plugin or None)
    monkeypatch.setattr(accelerators, "importlib", SimpleNamespace(util=util))
    if has_device:
        device.touch()
    memory.keep_freed_memory()
    assert (calls == []) == expects


@pytest.mark.parametrize("native", ["1", "0"])
def test_it_is_done_at_import_before_xla_starts_its_threads(native: str) -> None:
    code = """
import ctypes
calls = []
class Library(ctypes.CDLL):
    def __getattr__(self, name):
        return super().__getattr__(name) if name != "mallopt" else lambda *call: calls.append(call)
ctypes.CDLL = Library
from wbc_jax.nn.native import library
print(len(calls))
"""
    environment = {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "WBC_NATIVE": native}
    process = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (int(process.stdout) > 0) == (native == "1")


# The sums of each image, two per channel, lie in memory of the thread that calls the kernel.
THREADS, IMAGES, CHANNELS = 40, 16384, 128
MIB_EACH = IMAGES * CHANNELS * 2 * 4 >> 20
CODE = f"""
import threading
import jax, jax.numpy as jnp
from pathlib import Path
from wbc_jax.nn.native import library

# Else XLA may run the kernel in a thread of its own, which lives on.
jax.config.update("jax_cpu_enable_async_dispatch", False)
images, sums = jnp.ones(({IMAGES}, {CHANNELS})), jax.ShapeDtypeStruct(({CHANNELS},), jnp.float32)
moments = jax.jit(lambda images: library.call("wbc_moments", (sums, sums), images))

def call():
    jax.block_until_ready(moments(images))

def resident_mib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS"))

call()
before = resident_mib()
for _ in range({THREADS}):
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
print(resident_mib() - before)
"""


@pytest.mark.usefixtures("native")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells what is resident")
def test_a_thread_that_ends_gives_its_memory_back() -> None:
    process = subprocess.run(
        [sys.executable, "-c", CODE],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert int(process.stdout) < THREADS * MIB_EACH / 4
