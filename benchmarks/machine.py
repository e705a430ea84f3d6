"""What a measurement was made on: processor, cores, load, versions, date.

machine = describe_machine()
"""

import os
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def available_cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> float | None:
    """Returns the processes that wanted to run in the last minute, None where it is not known."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def describe_machine() -> dict[str, Any]:
    """Returns processor, cores, devices, versions, commit, load and date, as JSON can hold them.

    Call it before measuring: a load far above 0 then means that others were measured as well.
    """
    from wbc_jax.training.environment import describe_environment

    environment = describe_environment()
    return {
        "cpu": environment["processor"],
        "cores": available_cores(),
        "load_average_before": load_average(),
        "devices": environment["devices"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": environment["git_commit"],
        "versions": {
            **{name: environment[name] for name in ("python", "jax", "jaxlib", "flax", "optax")},
            "torch": _version("torch"),
        },
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
