"""Compiles the sources in this folder into one library for the processor at hand.

for compiler in compilers():
    compile_library(compiler, folder / f"{sources_digest()}_{compiler.digest()}.so")
"""

import functools
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax

from wbc_jax.atomic_files import write_text
from wbc_jax.digests import Damage, file_sha256

_log = logging.getLogger(__name__)
_SOURCES = Path(__file__).parent
_FLAGS = (
    "-O3",
    "-std=c11",
    "-fPIC",
    "-shared",
    "-pthread",
    "-ffp-contract=fast",
    "-fno-math-errno",
)
_TIMEOUT_SECONDS = 300
# What /proc/cpuinfo calls the processor's kind and abilities, on x86 and on Arm.
_CPU_FIELDS = (
    *("vendor_id", "cpu family", "model", "stepping", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features"),
)


class Compiler(NamedTuple):
    """A command that compiles C for this very processor.

    Attributes:
        command: the command's beginning; flags and files follow.
        version: what it is, told without starting it.
    """

    command: tuple[str, ...]
    version: str

    def digest(self) -> str:
        """Returns the digest of its version: another compiler's library has other bits."""
        return hashlib.sha256(self.version.encode(errors="surrogateescape")).hexdigest()


def compilers() -> list[Compiler]:
    """Returns those that are installed, best first.

    Raises:
        OSError: one of them cannot be looked at.
    """
    found = []
    if importlib.util.find_spec("ziglang"):  # from the package index: the same one everywhere
        flags = ("-mcpu=native", "-fno-sanitize=all")
        # Without the interpreter's path: environments of one machine share a library.
        version = " ".join(("ziglang", _package_version("ziglang"), *flags))
        found.append(Compiler((sys.executable, "-m", "ziglang", "cc", *flags), version))
    native = "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and (path := shutil.which(name)):
            status = Path(path).stat()
            version = f"{path} {native} {status.st_size} {status.st_mtime_ns}"
            found.append(Compiler((path, native), version))
    return list(dict.fromkeys(found))  # $CC may be one of the others


def _package_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@functools.cache
def sources_digest() -> str:
    """Returns the digest of all that decides what the library is, but for the compiler."""
    files = sorted([*_SOURCES.glob("*.c"), *_SOURCES.glob("*.h")])
    parts = [path.name.encode() + path.read_bytes() for path in files]
    parts += [" ".join(_FLAGS).encode(), jax.__version__.encode(), _machine().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _machine() -> str:
    """Returns what a library made here may ask of a machine, so that a cache can be shared."""
    parts = [platform.machine()]
    if "CS_GNU_LIBC_VERSION" in os.confstr_names:  # an older one may lack what a newer one has
        parts.append(os.confstr("CS_GNU_LIBC_VERSION") or "")
    if sys.platform == "darwin":
        parts.append(_mac_processor())
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    lines = {line for line in text.splitlines() if line.partition(":")[0].strip() in _CPU_FIELDS}
    return "\n".join([*parts, *sorted(lines)])


def _mac_processor() -> str:
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        return subprocess.run(command, check=True, capture_output=True, timeout=10).stdout.decode()
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""


def compile_library(compiler: Compiler, path: Path) -> None:
    """Makes the library and its digest; it appears under its name only when it is whole.

    Args:
        compiler: one of `compilers()`.
        path: where the library is to be; its folder exists.

    Raises:
        OSError: the compiler cannot be started, or the folder cannot be written.
        subprocess.SubprocessError: the compiler refused or took too long.
    """
    _log.info("compiling the CPU's kernels once, for this processor")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        subprocess.run(
            [
                *compiler.command,
                *_FLAGS,
                f"-I{jax.ffi.include_dir()}",
                *map(str, sorted(_SOURCES.glob("*.c"))),
                "-o",
                str(made),
            ],
            check=True,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            # The compiler's own cache goes with the temporary folder.
            env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder},
        )
        try:
            write_text(digest_file(path), file_sha256(made))
        except Damage as damage:
            raise FileNotFoundError(f"the compiler made no library: {damage}") from damage
        made.replace(path)


def is_whole(path: Path) -> bool:
    """Whether the library is there as it was made; loading a part of one may end the process."""
    try:
        return file_sha256(path) == digest_file(path).read_text(encoding="utf-8")
    except (Damage, OSError, ValueError):
        return False


def digest_file(path: Path) -> Path:
    """Returns the file that holds the digest of the library at `path`."""
    return path.with_suffix(".sha256")
