"""Starts launch.py as several processes of this machine, as one would by hand."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

# launch.py but for the page and its figures, which take most of a tiny run's time.
LAUNCH = """
import runpy
from wbc_jax.evaluation import evaluate
evaluate.write_report = lambda run, images: run.path / "report.html"
runpy.run_path("launch.py", run_name="__main__")
"""
# Every process but the first compiles anew: JAX keeps no program of theirs.
QUICK = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
LONGEST_SECONDS = 300
ENDED_WITHIN_SECONDS = 120


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return int(listener.getsockname()[1])


class Group:
    """Processes of one run; each has `devices` CPU devices. What they say lies in `logs`."""

    def __init__(
        self,
        root: Path,
        logs: Path,
        arguments: list[str],
        *,
        processes: int,
        devices: int,
        env: Mapping[str, str],
    ) -> None:
        logs.mkdir(exist_ok=True)
        address = f"localhost:{free_port()}"
        self.logs = [logs / f"{time.time_ns()}-{index}.log" for index in range(processes)]
        self.processes = []
        for index, log in enumerate(self.logs):
            place = [f"--coordinator={address}", f"--num_processes={processes}"]
            place += [f"--process_id={index}"]
            with log.open("w") as file:
                process = subprocess.Popen(
                    [sys.executable, "-c", LAUNCH, *arguments, *(place if processes > 1 else [])],
                    cwd=root,
                    env=os.environ | env | QUICK | {"JAX_NUM_CPU_DEVICES": str(devices)},
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            self.processes.append(process)

    def wait(self, seconds: float = LONGEST_SECONDS) -> list[int]:
        """Returns the exit codes."""
        deadline = time.monotonic() + seconds
        try:
            return [p.wait(max(0.0, deadline - time.monotonic())) for p in self.processes]
        finally:
            for process in self.processes:
                process.kill()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits for what happens while they run."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not condition():
            assert all(process.poll() is None for process in self.processes), self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def said(self) -> str:
        return "\n".join(log.read_text(encoding="utf-8") for log in self.logs)
