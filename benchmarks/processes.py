"""Processes of this project, timed from start to end.

seconds, said = start(["-m", "benchmarks.prepare", "--contestant=ours"])
"""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from wbc_jax.errors import USER_MISTAKE, UserError

_ROOT = Path(__file__).parents[1]


def start(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[float, str]:
    """Runs Python in the repository's root.

    Args:
        command: arguments of Python.
        environment: of the process; by default this one's.

    Returns:
        Seconds from its start to its end, and what it printed on stdout.

    Raises:
        UserError: it ended with a user's mistake; its message.
        RuntimeError: it ended with another error.
    """
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    if done.returncode == USER_MISTAKE:
        raise UserError(done.stderr.strip().rpartition("error: ")[2])
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return seconds, done.stdout
