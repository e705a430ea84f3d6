"""Compiled programs on disk: a second start loads what the first one compiled.

keep_compiled_programs(cache_dir / "xla")          # before JAX is imported
"""

import os
from pathlib import Path

from wbc_jax.accelerators import has_accelerator

# Every program is kept: the small ones take a run's start as long as one large one.
_SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def keep_compiled_programs(folder: Path) -> None:
    """Has JAX keep what it compiles in `folder`, where the user's environment names no other.

    JAX's key of a program holds the program, its options, jaxlib's version and the devices. A
    folder that cannot be written is not used; compiling works without one.

    Args:
        folder: made if it is not there.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return  # whoever needs the cache folder for data will say what is wrong with it
        if not os.access(folder, os.W_OK):
            return
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder.absolute())
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if not has_accelerator():
        # XLA's loader for the CPU prints, for every program, which of LLVM's tuning hints it does
        # not find among the processor's features. What is really wrong arrives as an exception.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
