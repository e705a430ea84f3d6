"""The epochs of a run: train, measure, write down, save; and the ways in which they end early.

loop = Loop(run, interruption, measure, started)
loop.compile()
state = loop.run(profile=False)
loop.history                                    # with the epochs that it has trained
"""

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import jax

from wbc_jax.errors import UserError
from wbc_jax.training.epoch import EpochResult
from wbc_jax.training.finite import NotFinite
from wbc_jax.training.interruption import Interrupted, Interruption
from wbc_jax.training.non_finite import find_first
from wbc_jax.training.open_run import OpenRun
from wbc_jax.training.processes import agree, is_first, is_shared
from wbc_jax.training.profiling import record_trace, span
from wbc_jax.training.resume import (
    is_due,
    start_or_resume,
    steps_to_save,
    sums_before_an_epoch,
)
from wbc_jax.training.tensorboard import TensorBoard
from wbc_jax.training.train_state import Progress, TrainState, Variables
from wbc_jax.training.trainer import Trainer

_log = logging.getLogger(__name__)
Measure = Callable[[Variables], dict[str, dict[str, float]]]


class Loop:
    """Trains the epochs that are still to do.

    Attributes:
        history: of all epochs done, one entry each.
    """

    def __init__(
        self, run: OpenRun, interruption: Interruption, measure: Measure, started: float
    ) -> None:
        """Names what the loop works with.

        Args:
            run: what to train.
            interruption: looked at after every call.
            measure: metrics of the parts that are measured after every epoch.
            started: `time.perf_counter()` from which this start's seconds count.
        """
        self._config, self._experiment = run.config, run.experiment
        self._directory, self._checkpoints = run.directory, run.checkpoints
        self._position = run.position
        # The latest, to be saved whenever a signal comes.
        self._progress, self._seconds = run.position.progress, run.position.seconds
        self._interruption = interruption
        self._measure = measure
        self._begun = started
        # Counted over all starts: what the run has cost, not what this start has.
        self._started = started - run.position.wall_seconds
        self.history = list(run.position.history)

    @cached_property
    def _trainer(self) -> Trainer:
        return Trainer(self._config, self._experiment, self._position.progress)

    def compile(self) -> None:
        """Compiles the steps and waits for the state, so that an epoch only trains."""
        self._trainer  # noqa: B018 - made here
        jax.block_until_ready(self._position.progress)
        _log.info("first step %.1f s after the start", time.perf_counter() - self._begun)

    def run(self, *, profile: bool) -> TrainState:
        """Trains the epochs that are left and returns the state after the last.

        Args:
            profile: record a trace of the second epoch, or of the only one.

        Raises:
            UserError: the loss is no finite number any more, or the disk cannot be written.
            Interrupted: the process was asked to end; the state is saved.
        """
        num_epochs, first = self._config.train.num_epochs, len(self.history) + 1
        # A start's first epoch compiles what the test needs.
        traced = min(first + 1, num_epochs) if profile and is_first() else None
        epoch = first
        self._interruption.agree_by(agree if is_shared() else None)
        try:
            with self.board() as board:
                for epoch in range(first, num_epochs + 1):
                    folder = self._directory.path / "profile" if epoch == traced else None
                    self._train_epoch(epoch, board, folder)
        except NotFinite as found:
            raise self.explain(found, epoch) from found
        except Interrupted:
            try:
                self.save_now(self._progress, self._seconds)
            except NotFinite as found:
                _log.warning("the state is not saved again: %s", found)
            raise
        self._interruption.agree_by(None)
        return self._progress.state

    def _train_epoch(self, epoch: int, board: TensorBoard, trace: Path | None) -> None:
        """Trains, measures and writes down one epoch; leaves what the next one begins with."""
        tracing = record_trace(trace) if trace else nullcontext()
        steps_per_epoch = self._experiment.steps_per_epoch
        before = (epoch - 1) * steps_per_epoch
        begun = {}
        if epoch == len(self._position.history) + 1:  # perhaps in its middle
            begun = {"first": self._position.first, "seconds": self._position.seconds}
        with tracing, span(f"epoch {epoch}"):
            with self._interruption.held():
                result = self._trainer.epoch(
                    self._progress,
                    epoch,
                    save_after=steps_to_save(self._config, before, steps_per_epoch),
                    save=lambda step, *rest: self._save(before + step, *rest),
                    is_stopped=self._interruption.is_asked,
                    **begun,
                )
                self._progress, self._seconds = result.progress, result.seconds
            measured = self._measure(self._progress.state.variables)
            self.close_epoch(epoch, result, measured, board)
        self._progress = Progress(self._progress.state, sums_before_an_epoch(self._experiment))

    def board(self) -> TensorBoard:
        """Returns TensorBoard's files of the run, to be opened."""
        return TensorBoard(
            self._directory.path / "tensorboard", epochs_done=len(self._position.history)
        )

    def close_epoch(
        self,
        epoch: int,
        result: EpochResult,
        measured: Mapping[str, Mapping[str, float]],
        board: TensorBoard,
    ) -> None:
        """Writes down an epoch and saves its state where that is due.

        Args:
            epoch: counted from 1.
            result: of its steps.
            measured: metrics of the parts that are measured after it.
            board: of the run.

        Raises:
            NotFinite: a loss is no finite number.
        """
        loss_name = self._config.train.loss
        record: dict[str, Any] = {
            "epoch": epoch,
            "seconds": result.seconds,
            "train": result.metrics,
            **measured,
        }
        # The test's too: the training loss is older than the epoch's last update.
        for part in ("train", "test"):
            if not math.isfinite(record[part][loss_name]):
                raise NotFinite(f"the {part} loss of epoch {epoch}")
        record["wall_seconds"] = time.perf_counter() - self._started
        self.history.append(record)
        _log_epoch(record, loss_name, self._experiment.task.in_words)
        if is_first():
            self._directory.append_epoch(record)
            with span("tensorboard"):
                board.write_epoch(record, result.progress.state.params)
        # Last: it goes on beside the next epoch, which should not wait for the cores.
        if is_due(self._config, epoch, self._experiment.steps_per_epoch):
            with span("checkpoint"):
                step = epoch * self._experiment.steps_per_epoch
                self._save(step, result.progress, 0.0, train_loss=result.metrics[loss_name])

    def save_now(self, progress: Progress, epoch_seconds: float) -> None:
        """Saves a state wherever it is and waits until it is on the disk.

        Args:
            progress: the state.
            epoch_seconds: that the steps of its epoch have taken.
        """
        step, num_epochs = int(progress.state.step), len(self.history)
        losses = {}
        if num_epochs and step == num_epochs * self._experiment.steps_per_epoch:
            losses["train_loss"] = self.history[-1]["train"][self._config.train.loss]
        self._save(step, progress, epoch_seconds, **losses)
        self._checkpoints.wait()

    def _save(self, step: int, progress: Progress, epoch_seconds: float, **kwargs: float) -> None:
        facts = {
            "epochs": list(self.history),
            "epoch_seconds": epoch_seconds,
            "wall_seconds": time.perf_counter() - self._started,
        }
        self._checkpoints.save(step, progress, facts=facts, **kwargs)

    def explain(self, found: NotFinite, epoch: int) -> UserError:
        """Repeats the steps since the last good checkpoint to say where it began.

        Args:
            found: what is no finite number.
            epoch: in which it was found.
        """
        progress = start_or_resume(self._experiment, self._checkpoints).progress
        step = int(progress.state.step)
        good = f"The last good state is the checkpoint of step {step}"
        if not step:
            good = "No good state was saved before"
        _log.warning("%s is no finite number: repeating from step %d to find where", found, step)
        first = find_first(
            self._trainer,
            progress,
            step=step,
            last=epoch * self._experiment.steps_per_epoch,
            look=self._experiment.look,
        )
        where = f"{found} is no finite number; the training steps are"
        if first is not None:
            where = (
                f"the loss is no longer a finite number: in step {first.step} (epoch {epoch}), "
                f"{first.what} is the first value that is none"
            )
        return UserError(
            f"{where}. {good}. Lower optim.learning_rate="
            f"{self._config.optim.learning_rate}, or warm up with optim.warmup_epochs, in a new "
            "--workdir"
        )


def _log_epoch(record: Mapping[str, Any], loss_name: str, in_words: Mapping[str, str]) -> None:
    parts = []
    for part in ("train", "validation", "test"):
        if measured := record.get(part):
            named = [f"{part} loss {measured[loss_name]:.4f}"]
            named += [
                f"{w} {measured[name]:.1%}" for name, w in in_words.items() if name in measured
            ]
            parts.append(", ".join(named))
    _log.info("epoch %d: %s", record["epoch"], "; ".join(parts))
