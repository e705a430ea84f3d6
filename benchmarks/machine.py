"""What a measurement was made on: processor, cores, load, versions, date.

load = load_before()
...
machine = describe_machine(load)
"""

import os
import resource
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.command_line import say
from wbc_jax.cores import num_cores

_IDLE_LOAD = 0.5


def load_before() -> float | None:
    """Returns how many processes wanted to run in the last minute, and warns where any did.

    To be called before measuring; None where the system does not tell.
    """
    if not hasattr(os, "getloadavg"):
        return None
    load = round(os.getloadavg()[0], 2)
    if load > _IDLE_LOAD:
        say(f"the machine is not idle (load {load}): other processes will be in the figures")
    return load


def describe_machine(load: float | None) -> dict[str, Any]:
    """Returns processor, cores, devices, versions, commit, load and date, as JSON can hold them.

    Args:
        load: of `load_before`.
    """
    from wbc_jax.training.environment import describe_environment

    environment = describe_environment()
    return {
        "cpu": environment["processor"],
        "cores": num_cores(),
        "load_before": load,
        "devices": environment["devices"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": environment["git_commit"],
        "versions": {
            **{name: environment[name] for name in ("python", "jax", "jaxlib", "flax", "optax")},
            "torch": _version("torch"),
        },
    }


def peak_mebibytes(who: int = resource.RUSAGE_SELF) -> float:
    """Returns the largest resident set that this process, or one of its children, has had so far.

    Args:
        who: as of `resource.getrusage`.
    """
    # Bytes on macOS, KiB elsewhere.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit / 2**20


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
