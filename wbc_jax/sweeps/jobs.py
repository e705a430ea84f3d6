"""Commands as jobs of submitit: processes of this machine, or a SLURM's.

jobs = Jobs(folder, executor="slurm", options={"slurm_partition": "gpu"}, num_local=1)
jobs.submit({"cnn-seed0": ["python", "launch.py", ...]})
for name, outcome in jobs.wait():                  # as they end
    ...
"""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import submitit

from wbc_jax.atomic_files import write_json
from wbc_jax.errors import UserError
from wbc_jax.sweeps.task import Outcome, Task, read_outcome

_NO_LIMIT_MINUTES = 60 * 24 * 365  # a process of this machine ends when it is done
_SLURM_MINUTES = (
    240  # unless an option says otherwise; a run that needs more goes on in another job
)
_SLURM_RESTARTS = 20
# Until a file that another machine has written is seen, after its job has left the queue.
_GRACE_SECONDS = 20.0
_POLL_SECONDS = {"local": 0.2, "slurm": 2.0}
_SUBMITTED = ".submitted.json"  # no job is called so: jobs are called as folders are


class Jobs:
    """The jobs of one sweep, by name."""

    def __init__(
        self,
        folder: Path,
        *,
        executor: str,
        options: Mapping[str, str],
        num_local: int,
        held: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Prepares the executor; what an earlier start has put into SLURM's queue is found again.

        Args:
            folder: of logs and outcomes; made if it is not there.
            executor: "local" or "slurm".
            options: of the jobs, by submitit's names; for SLURM only.
            num_local: processes at a time on this machine.
            held: in whose block no signal breaks off, so that no job is begun and then forgotten.

        Raises:
            UserError: SLURM is not installed, or an option is not known.
        """
        self._folder = folder.absolute()
        self._kind = executor
        self._num_local = num_local
        self._held = held
        self._waiting: dict[str, Task] = {}
        self._running: dict[str, Any] = {}  # local: submitit's job; slurm: the job's id
        self._gone_since: dict[str, float] = {}
        self._folder.mkdir(parents=True, exist_ok=True)
        self._executor = _create_executor(self._folder, executor, options)
        if executor == "slurm":
            self._running = self._still_queued()

    @property
    def names(self) -> set[str]:
        """Of the jobs that have not ended."""
        return {*self._waiting, *self._running}

    def submit(self, commands: Mapping[str, list[str]]) -> None:
        """Puts jobs into the queue, or starts as many as may run at a time on this machine."""
        is_local = self._kind == "local"
        tasks = {
            name: Task(command, self._outcome_file(name), is_local, _visible_devices())
            for name, command in commands.items()
        }
        for task in tasks.values():
            task.outcome.unlink(missing_ok=True)
        if is_local:
            self._waiting |= tasks
            self._start_waiting()
        elif tasks:
            with self._held():  # what is in the queue is written down, come what may
                with self._executor.batch():  # one array
                    jobs = {name: self._executor.submit(task) for name, task in tasks.items()}
                self._running |= {name: job.job_id for name, job in jobs.items()}
                write_json(self._folder / _SUBMITTED, self._running)

    def wait(self) -> Iterator[tuple[str, Outcome]]:
        """Yields each job when it has ended, until none is left."""
        while self._running or self._waiting:
            for name in self._ended():
                del self._running[name]
                yield name, read_outcome(self._outcome_file(name))
            self._start_waiting()
            time.sleep(_POLL_SECONDS[self._kind])

    def stop(self) -> None:
        """Asks the processes of this machine to end and waits until they have saved their states.

        Jobs of SLURM stay in its queue.
        """
        self._waiting.clear()
        if self._kind == "local":
            for job in self._running.values():
                if not job.done():
                    os.kill(int(job.job_id), signal.SIGTERM)
            while any(not job.done() for job in self._running.values()):
                time.sleep(_POLL_SECONDS["local"])

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self._num_local:
            name = next(iter(self._waiting))
            with self._held(), _ignoring_the_terminal():
                self._running[name] = self._executor.submit(self._waiting.pop(name))

    def _ended(self) -> list[str]:
        if self._kind == "local":
            return [name for name, job in self._running.items() if job.done()]
        queued, now = _queue(), time.monotonic()
        ended = []
        for name, job_id in self._running.items():
            if job_id in queued:
                self._gone_since.pop(name, None)
                continue
            gone = now - self._gone_since.setdefault(name, now)
            if self._outcome_file(name).is_file() or gone > _GRACE_SECONDS:
                ended.append(name)
        return ended

    def _still_queued(self) -> dict[str, str]:
        path = self._folder / _SUBMITTED
        submitted = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        queued = _queue()
        return {name: job_id for name, job_id in submitted.items() if job_id in queued}

    def _outcome_file(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _create_executor(folder: Path, kind: str, options: Mapping[str, str]) -> Any:
    if kind == "local":
        if options:
            raise UserError("--slurm names options of SLURM's jobs: add --executor=slurm to it")
        executor = submitit.AutoExecutor(folder, cluster="local")
        executor.update_parameters(timeout_min=_NO_LIMIT_MINUTES)
        return executor
    if missing := [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]:
        raise UserError(
            f"--executor=slurm needs SLURM's commands, and there is no {', '.join(missing)}; start "
            "the sweep where they are, or with --executor=local"
        )
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=_SLURM_RESTARTS)
    given = {name: int(value) if value.isdecimal() else value for name, value in options.items()}
    try:
        executor.update_parameters(**{"timeout_min": _SLURM_MINUTES, "name": "wbc"} | given)
    except (NameError, TypeError, ValueError) as error:
        raise UserError(
            f"--slurm={','.join(f'{n}={v}' for n, v in options.items())}: "
            f"{str(error).splitlines()[0]} Options are submitit's, such as timeout_min=240, "
            "gpus_per_node=1, cpus_per_task=8, slurm_partition=gpu"
        ) from error
    return executor


def _queue() -> set[str]:
    """Returns the ids of this user's jobs that wait or run; of an array, those of its members."""
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--user={os.getuid()}"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        raise UserError(
            f"SLURM does not say which jobs it has ({said}); the jobs go on: start the sweep again "
            "when `squeue` answers"
        ) from error
    return set(result.stdout.split())


def _visible_devices() -> str | None:
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@contextmanager
def _ignoring_the_terminal() -> Iterator[None]:
    """Has a process that is started within the block ignore Ctrl-C: it is stopped by `stop`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
