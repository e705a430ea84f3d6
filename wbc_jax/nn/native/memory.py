"""How the C library keeps memory that is freed, for the kernels' sake.

keep_freed_memory()             # before XLA starts its threads
"""

import contextlib
import ctypes
import os
from pathlib import Path
from typing import Any

import jax

from wbc_jax.accelerators import has_accelerator

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -3, -4, -8  # glibc's malloc.h
_MOST = 2**31 - 1
_ACCELERATORS = ("/dev/nvidiactl", "/dev/kfd", "/dev/accel0", "/dev/vfio")  # CUDA, ROCm, TPUs


def keep_freed_memory() -> None:
    """Tells the C library not to hand every large piece of memory back to the system.

    XLA asks for a program's intermediate arrays anew in every call, and the system clears each page
    before it gives it: 95,000 pages, 75 of 440 ms, in a call of one step of ResNet50 on 32 images.

    Nothing is done where the kernels are switched off or will not be called.
    """
    if os.environ.get("WBC_NATIVE") == "0" or _expects_accelerator():
        return
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)  # the heaps of further threads hold nothing large
        # Earlier versions refuse a threshold above 32 MiB: there, no size has pages of its own.
        if mallopt(_M_MMAP_THRESHOLD, _MOST) or mallopt(_M_MMAP_MAX, 0):
            # Without one of these it makes things worse: the threshold is no longer adapted.
            mallopt(_M_TRIM_THRESHOLD, _MOST)


def _expects_accelerator() -> bool:
    """Whether JAX will take another platform than the CPU, as far as can be said before it does."""
    config: Any = jax.config
    if config.jax_platforms:
        return bool(config.jax_platforms.split(",")[0] != "cpu")
    has_device = any(Path(path).exists() for path in _ACCELERATORS)
    return has_device and has_accelerator()
