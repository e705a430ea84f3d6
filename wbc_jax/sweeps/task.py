"""What a job does: run a command, pass a signal on to it, write down how it ended."""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import submitit

from wbc_jax.atomic_files import write_json

_LAST_LINES = 40
_CUDA = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        exit_code: of the command; negative: the signal that killed it; None: not written down.
        error: what it said of it; empty where it ended well.
    """

    exit_code: int | None
    error: str


@dataclass(frozen=True)
class Task:
    """The function of a job; submitit starts it in a process of its own.

    Attributes:
        command: to run.
        outcome: the file in which it is written how the command ended.
        is_local: whether submitit's process is of the machine that the sweep was started on.
        cuda_devices: there, which devices of CUDA the sweep may use; submitit hides all of them.
    """

    command: list[str]
    outcome: Path
    is_local: bool
    cuda_devices: str | None

    def __call__(self) -> None:
        """Runs the command."""
        with subprocess.Popen(
            self.command,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=self._environment(),
            # SLURM sends it to all processes before the time is over; submitit's answers it.
            preexec_fn=lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN),
        ) as process:
            signal.signal(signal.SIGTERM, lambda *_: process.terminate())
            assert process.stderr is not None
            said: deque[str] = deque(maxlen=_LAST_LINES)
            for line in process.stderr:
                sys.stderr.write(line)
                said.append(line)
        error = ""
        if process.returncode < 0:
            killer = signal.Signals(-process.returncode).name
            error = f"killed by {killer}\n{message(said)}".strip()
        elif process.returncode:
            error = message(said) or f"ended with exit code {process.returncode}, without a word"
        write_json(self.outcome, asdict(Outcome(process.returncode, error)))

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Says what to do in the next job when the time of this one is over: the run resumes."""
        return submitit.helpers.DelayedSubmission(self)

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if self.is_local:
            del environment[_CUDA]
            if self.cuda_devices is not None:
                environment[_CUDA] = self.cuda_devices
        return environment


def read_outcome(path: Path) -> Outcome:
    """Returns how a job ended, from the file that it has written."""
    if not path.is_file():
        return Outcome(None, "the job ended without a word: it was killed, or never began")
    return Outcome(**json.loads(path.read_text(encoding="utf-8")))


def message(lines: Iterable[str]) -> str:
    """Returns the error in what launch.py has said: its own message, else the exception."""
    lines = [line.rstrip() for line in lines if line.strip()]
    for place, line in enumerate(lines):
        if line.startswith("error: "):
            return "\n".join([line.removeprefix("error: "), *lines[place + 1 :]])
    return "\n".join(lines[-3:])
