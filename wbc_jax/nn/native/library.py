"""Compiles the kernels in this folder once per machine and makes them known to XLA.

if is_available():
    y = call("wbc_conv", jax.ShapeDtypeStruct(...), image, kernel, bias, attributes=(1, 1, 0, 0))
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from wbc_jax.atomic_files import write_text
from wbc_jax.digests import Damage, file_sha256

_log = logging.getLogger(__name__)
_SOURCES = Path(__file__).parent
_HANDLERS = (
    "wbc_conv",
    "wbc_conv_image_gradient",
    "wbc_conv_kernel_gradient",
    "wbc_winograd",
    "wbc_winograd_image_gradient",
    "wbc_winograd_kernel_gradient",
    "wbc_moments",
    "wbc_affine",
    "wbc_affine_sums",
    "wbc_affine_gradient",
    "wbc_affine_pool",
    "wbc_affine_pool_sums",
    "wbc_affine_pool_gradient",
    "wbc_max_pool",
    "wbc_max_pool_gradient",
    "wbc_sgd",
    "wbc_adam",
)
_FLAGS = ("-O3", "-std=c11", "-fPIC", "-shared", "-ffp-contract=fast", "-fno-math-errno")
_TIMEOUT_SECONDS = 300
_REASON_LENGTH = 500
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc


@functools.cache
def is_available() -> bool:
    """Whether the kernels can be called: one CPU device, and a compiler or a library made before.

    The kernels serve one device only, for XLA cannot split a call it does not know over several.
    The environment variable WBC_NATIVE=0 switches them off.
    """
    if os.environ.get("WBC_NATIVE") == "0":
        return False
    if jax.default_backend() != "cpu" or jax.device_count() > 1:
        return False
    return _register()


def call(
    handler: str,
    results: Any,
    *arguments: Array,
    attributes: Sequence[int] = (),
    in_place: Mapping[int, int] = MappingProxyType({}),
) -> Any:
    """Calls a kernel from a traced function.

    XLA knows it by a name with the digest of the sources: a program that XLA kept from another
    version of them is not taken for a program of this one.

    Args:
        handler: name of the C function.
        results: shape and dtype of the result, or a tuple of them.
        arguments: arrays in the order the C function states.
        attributes: integers, the same.
        in_place: which argument's memory a result takes: argument's to result's number.
    """
    _register()
    function = jax.ffi.ffi_call(
        f"{handler}_{_digest()[:12]}",
        results,
        vmap_method="sequential",
        input_output_aliases=dict(in_place),
    )
    return function(*arguments, attributes=np.array(attributes, np.int64))


@functools.cache
def has_half() -> bool:
    """Whether this processor multiplies bfloat16; the kernels' `half` does nothing elsewhere."""
    return is_available() and bool(ctypes.CDLL(str(_library_path())).wbc_has_half())


def _keep_freed_memory() -> None:
    """Tells the C library not to hand every large piece of memory back to the system.

    XLA asks for a program's intermediate arrays anew in every call, and the system clears each page
    before it gives it: 95,000 pages, 75 of 440 ms, in a call of one step of ResNet50 on 32 images.
    """
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        most = ctypes.c_int(2**31 - 1)
        mallopt(_M_ARENA_MAX, 1)  # the heaps of further threads hold nothing large
        mallopt(_M_MMAP_THRESHOLD, most)
        mallopt(_M_TRIM_THRESHOLD, most)


@functools.cache
def _register() -> bool:
    """Loads the library, made now if it has not been; False where that cannot be done."""
    path = _library_path()
    try:
        if not _is_whole(path):
            _compile(path)
        library = ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError) as error:
        reason = _shorten(str(getattr(error, "stderr", None) or error))
        _log.warning("training on the CPU will be slow: its kernels cannot be built (%s)", reason)
        return False
    for handler in _HANDLERS:
        capsule = jax.ffi.pycapsule(getattr(library, handler))
        jax.ffi.register_ffi_target(f"{handler}_{_digest()[:12]}", capsule, platform="cpu")
    return True


def _is_whole(path: Path) -> bool:
    """Whether the library is there as it was made; loading a part of one may end the process."""
    try:
        return file_sha256(path) == _digest_file(path).read_text(encoding="utf-8")
    except (Damage, OSError, ValueError):
        return False


def _digest_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _shorten(message: str) -> str:
    """Keeps both ends: a compiler begins with its first complaint, Python ends with the reason."""
    half = _REASON_LENGTH // 2
    return message if len(message) <= _REASON_LENGTH else f"{message[:half]} ... {message[-half:]}"


def _compiler() -> tuple[str, ...]:
    """Returns the command that compiles C for this very processor.

    Raises:
        FileNotFoundError: there is none.
    """
    if importlib.util.find_spec("ziglang"):  # from the package index: the same one everywhere
        return sys.executable, "-m", "ziglang", "cc", "-mcpu=native", "-fno-sanitize=all"
    native = "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and (path := shutil.which(name)):
            return path, native
    raise FileNotFoundError("no C compiler found: pip install ziglang")


@functools.cache
def _digest() -> str:
    """Returns the digest of all that decides what the library is."""
    files = sorted([*_SOURCES.glob("*.c"), *_SOURCES.glob("*.h")])
    parts = [path.name.encode() + path.read_bytes() for path in files]
    parts += [" ".join(_FLAGS).encode(), jax.__version__.encode(), _processor().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _processor() -> str:
    """Returns what the processor can do, so that a shared cache serves different machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _library_path() -> Path:
    cache = os.environ.get("WBC_CACHE_DIR") or "~/.cache/wbc_jax"
    return Path(cache).expanduser() / "native" / f"wbc_{_digest()[:16]}.so"


def _compile(path: Path) -> None:
    """Makes the library and its digest; it appears under its name only when it is whole.

    Raises:
        OSError: there is no compiler, or the folder cannot be written.
        subprocess.SubprocessError: the compiler refused.
    """
    command = _compiler()
    path.parent.mkdir(parents=True, exist_ok=True)
    _log.info("compiling the CPU's kernels once, for this processor")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        subprocess.run(
            [
                *command,
                *_FLAGS,
                f"-I{jax.ffi.include_dir()}",
                *map(str, sorted(_SOURCES.glob("*.c"))),
                "-o",
                str(made),
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            # The compiler's own cache goes with the temporary folder.
            env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder},
        )
        write_text(_digest_file(path), file_sha256(made))
        made.replace(path)


# At import: a thread that has asked for memory before keeps to a heap of its own, and XLA starts
# its threads with the first operation.
_keep_freed_memory()
