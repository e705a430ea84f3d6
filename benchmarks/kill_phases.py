"""A training in a process of its own, which tells through a file in which phases it is.

phases = Phases(path)
process = start_training(config, workdir, cache_dir, compiled, path)
phases.entered("save")                 # how often this start has begun to save
phases.active()                        # ("step", "save"): also of a process that was killed
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from wbc_jax.datasets.places import Places

NAMES = ("start", "step", "evaluation", "save", "report")
_ACTIVE, _ENTERED, _SECONDS = range(3)
# What a training imports: loaded once, in the process from which those of the trainings are forked.
# It has no thread and has not touched a device, so that forking it is safe.
_PRELOADED = (
    "matplotlib.pyplot",
    "orbax.checkpoint",
    "sklearn.metrics",
    "tensorboardX.summary",
    "wbc_jax.evaluation.evaluate",
    "wbc_jax.training.train",
)


class Phases:
    """Which phases a process is in; in a file, so that it can be read after its death."""

    def __init__(self, path: Path) -> None:
        """Opens the file, making it where it is missing."""
        shape = (3, len(NAMES))
        if not path.exists():
            np.zeros(shape).tofile(path)
        self._table = np.memmap(path, np.float64, mode="r+", shape=shape)

    def clear(self) -> None:
        """Forgets an earlier start, but for its seconds."""
        self._table[[_ACTIVE, _ENTERED]] = 0

    def active(self) -> tuple[str, ...]:
        """Returns the phases that are going on, in the order of `NAMES`."""
        return tuple(name for name, count in zip(NAMES, self._table[_ACTIVE], strict=True) if count)

    def entered(self, name: str) -> int:
        """Returns how often this start has entered a phase."""
        return int(self._table[_ENTERED, NAMES.index(name)])

    def seconds(self, name: str) -> float:
        """Returns how long a phase took when it last came to its end."""
        return float(self._table[_SECONDS, NAMES.index(name)])

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Notes that a phase is going on within the block."""
        place = NAMES.index(name)
        self._table[_ENTERED, place] += 1
        self._table[_ACTIVE, place] = 1
        start = time.perf_counter()
        try:
            yield
        finally:
            self._table[_ACTIVE, place] = 0
            self._table[_SECONDS, place] = time.perf_counter() - start


def start_training(
    config: Any, workdir: Path, cache_dir: Path, compiled: Path, phases: Path
) -> BaseProcess:
    """Starts a training, or goes on with it, in another process; returns that.

    Args:
        config: of the run.
        workdir: its directory.
        cache_dir: with the data set prepared.
        compiled: where compiled programs are kept.
        phases: file of `Phases`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    Phases(phases).clear()
    arguments = (config, workdir, cache_dir, compiled, phases)
    process = context.Process(target=_train, args=arguments)
    process.start()
    return process


def _train(config: Any, workdir: Path, cache_dir: Path, compiled: Path, phases: Path) -> None:
    import jax

    from wbc_jax.evaluation import evaluate
    from wbc_jax.training import train
    from wbc_jax.training.checkpointing import Checkpoints
    from wbc_jax.training.loop import Loop
    from wbc_jax.training.open_run import OpenRun
    from wbc_jax.training.trainer import Trainer

    jax.config.update("jax_compilation_cache_dir", str(compiled))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    os.environ["WBC_CACHE_DIR"] = str(cache_dir)
    noted = Phases(phases)
    starting = noted.within("start")
    starting.__enter__()

    def note(owner: Any, name: str, phase: str) -> None:
        """Has a function tell when it is at work."""
        function = getattr(owner, name)

        def noting(*args: Any, **kwargs: Any) -> Any:
            with noted.within(phase):
                return function(*args, **kwargs)

        setattr(owner, name, noting)

    def after(owner: Any, name: str, do: Callable[[], Any]) -> None:
        """Has something done before a function begins."""
        function = getattr(owner, name)
        setattr(owner, name, lambda *args, **kwargs: (do(), function(*args, **kwargs))[1])

    after(Loop, "run", lambda: starting.__exit__(None, None, None))
    note(Trainer, "epoch", "step")
    note(OpenRun, "measure", "evaluation")
    note(Checkpoints, "_write", "save")
    note(evaluate, "finish_run", "report")
    train.train(config, Places(None, cache_dir), workdir=workdir)
