"""Makes the kernels in this folder known to XLA; compiles them once per machine.

if is_available():
    y = call("wbc_conv", jax.ShapeDtypeStruct(...), image, kernel, bias, attributes=(1, 1, 0, 0))

The library is kept in the folder `native` of the cache folder (WBC_CACHE_DIR). What lies there is
loaded into the process, and its digest beside it guards against damage, not against people: whoever
can write into the folder can run code as you. Share it only with those you trust.
"""

import contextlib
import ctypes
import functools
import logging
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from wbc_jax.nn.native import memory
from wbc_jax.nn.native.compiler import (
    Compiler,
    compile_library,
    compilers,
    is_whole,
    sources_digest,
)

_log = logging.getLogger(__name__)
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
_REASON_LENGTH = 500
_LOCK = threading.Lock()  # of several threads that ask first, one compiles


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
    return _library() is not None


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
    _library()
    function = jax.ffi.ffi_call(
        f"{handler}_{sources_digest()[:12]}",
        results,
        vmap_method="sequential",
        input_output_aliases=dict(in_place),
    )
    return function(*arguments, attributes=np.array(attributes, np.int64))


def has_half() -> bool:
    """Whether this processor multiplies bfloat16; the kernels' `half` does nothing elsewhere."""
    library = _library() if is_available() else None
    return library is not None and bool(library.wbc_has_half())


def _library() -> ctypes.CDLL | None:
    with _LOCK:
        return _register()


@functools.cache
def _register() -> ctypes.CDLL | None:
    """Loads the library, made now if it has not been; None where that cannot be done."""
    try:
        library = _find_or_make()
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning(
            "training on the CPU will be slow: its kernels cannot be built (%s)", _reason(error)
        )
        return None
    for handler in _HANDLERS:
        capsule = jax.ffi.pycapsule(getattr(library, handler))
        jax.ffi.register_ffi_target(f"{handler}_{sources_digest()[:12]}", capsule, platform="cpu")
    return library


def _find_or_make() -> ctypes.CDLL:
    """Returns the library of the first compiler that works; where none does, of any other.

    Raises:
        OSError: there is no compiler; the last one cannot be started, or what it made cannot be
            loaded; there is no folder to write to.
        subprocess.SubprocessError: the last one refused.
    """
    error: Exception = FileNotFoundError("no C compiler found: pip install ziglang")
    with contextlib.ExitStack() as stack:  # a library that is loaded needs its file no more
        folder = functools.cache(lambda: _folder_to_write(stack))
        for compiler in compilers():
            try:
                return _kept(compiler.digest()) or _make(folder(), compiler)
            except (OSError, subprocess.SubprocessError) as failure:
                _log.info("%s does not compile the kernels: %s", compiler.version, _reason(failure))
                error = failure
    if library := _kept("*"):
        return library
    raise error


def _kept(compiler: str) -> ctypes.CDLL | None:
    """Loads the library that a compiler, by its digest, has made before; None: to be made anew."""
    path = _library_path(compiler)
    for found in sorted(path.parent.glob(path.name)):
        if is_whole(found):
            with contextlib.suppress(OSError):  # made where the system's libraries are others
                return ctypes.CDLL(str(found))
    return None


def _make(folder: Path, compiler: Compiler) -> ctypes.CDLL:
    path = folder / _library_path(compiler.digest()).name
    compile_library(compiler, path)
    return ctypes.CDLL(str(path))


def _library_path(compiler: str = "*") -> Path:
    """Returns where a compiler's library is kept, by its digest; of any compiler, a pattern."""
    cache = Path(os.environ.get("WBC_CACHE_DIR") or "~/.cache/wbc_jax")
    try:
        cache = cache.expanduser()
    except RuntimeError:  # nobody's home: a folder where nothing is found and nothing made
        cache = Path(os.devnull)
    return cache / "native" / f"wbc_{sources_digest()[:16]}_{compiler[:8]}.so"


def _folder_to_write(stack: contextlib.ExitStack) -> Path:
    """Returns the cache's folder or, where that cannot be written, one that goes with `stack`."""
    folder = _library_path().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder):
            return folder
    except OSError as error:
        _log.warning(
            "the kernels are compiled anew by every start: %s cannot be written (%s); name another "
            "folder with --cache_dir or WBC_CACHE_DIR",
            folder,
            _reason(error),
        )
        return Path(stack.enter_context(tempfile.TemporaryDirectory()))


def _reason(error: Exception) -> str:
    """Keeps both ends: a compiler begins with its first complaint, Python ends with the reason."""
    message = str(getattr(error, "stderr", None) or error).strip()
    half = _REASON_LENGTH // 2
    return message if len(message) <= _REASON_LENGTH else f"{message[:half]} ... {message[-half:]}"


# At import: a thread that has asked for memory before keeps to a heap of its own, and XLA starts
# its threads with the first operation.
memory.keep_freed_memory()
