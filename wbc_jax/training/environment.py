"""What a run was made with: versions, machine, command. For `environment.json`."""

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import wbc_jax

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pillow")


def describe_environment() -> dict[str, Any]:
    """Returns versions, devices, commit and command, all plain text, lists of it or numbers."""
    return {
        "command": given_command(),
        "wbc_jax": wbc_jax.__version__,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "platform": platform.platform(),
        "processor": _processor_name(),
        "cpu_cores": os.cpu_count() or 0,
        "devices": [f"{device.platform}: {device.device_kind}" for device in jax.devices()],
    }


def given_command() -> str:
    """Returns the program and its arguments as they were given, for a shell."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _git_commit() -> str:
    """Returns the commit of the checkout this package lies in, marked where files differ."""
    file = Path(wbc_jax.__file__)

    def git(*words: str) -> str:
        command = ["git", "-C", str(file.parent), *words]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return result.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", file.name)  # else the checkout around it is another's
        return git("describe", "--always", "--dirty", "--abbrev=12")
    except (OSError, subprocess.SubprocessError):
        return "unknown (no git checkout)"


def _processor_name() -> str:
    """Returns the processor's model, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
