"""Many seeds of one config: in one program where that is faster, else one after another.

results = train_seeds([(config_0, Path("runs/cnn-seed0")), (config_1, ...)], places)

Each seed's directory is what its solo run leaves, to rounding; either can go on from the other's
checkpoint. In one program a seed's seconds are those of all: its share of them is not known.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import jax
from ml_collections import ConfigDict
from tqdm import tqdm

from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.evaluation.metrics import METRICS
from wbc_jax.evaluation.results import PartLogits
from wbc_jax.training.epoch import EpochResult
from wbc_jax.training.finite import NotFinite
from wbc_jax.training.interruption import Interrupted, Interruption, listening
from wbc_jax.training.loop import Loop
from wbc_jax.training.open_run import OpenRun, open_run
from wbc_jax.training.processes import is_shared
from wbc_jax.training.seed_predict import SeedPredict
from wbc_jax.training.seed_steps import SeedSteps, SeedSums, stack
from wbc_jax.training.seed_timing import time_both_ways
from wbc_jax.training.sharding import replicated
from wbc_jax.training.train import finish, train
from wbc_jax.training.train_state import Progress, TrainState
from wbc_jax.training.train_step import zero_sums

_log = logging.getLogger(__name__)
Runs = Sequence[tuple[ConfigDict, Path]]
Tree = TypeVar("Tree")


def may_be_faster_together() -> bool:
    """Whether seeds of one config may train faster in one program than one after another here.

    On a CPU they do not (0.6 to 0.8 of the speed: docs/ablations.md, `python -m benchmarks.seeds`).
    An accelerator is not filled by one small network, so there both ways are timed.
    """
    return jax.default_backend() != "cpu"


def train_seeds(
    runs: Runs, places: Places, *, together: bool | None = None, started: float | None = None
) -> list[dict[str, Any]]:
    """Trains, or goes on training, several seeds of one config; each in its directory.

    Args:
        runs: config and directory of each; the configs differ in the seed alone.
        places: where their images come from.
        together: in one program or not; None: where that is faster, by a few steps of both ways.
        started: `time.perf_counter()` from which the runs' seconds count; None: now.

    Returns:
        The content of every seed's `results.json`.

    Raises:
        UserError: the config or the data cannot be used; or a seed has failed, which is said after
            the others are done.
        Interrupted: the process was asked to end; the states are saved.
    """
    is_tried = may_be_faster_together() if together is None else together
    started = time.perf_counter() if started is None else started
    errors: dict[Path, UserError] = {}
    results: dict[Path, dict[str, Any]] = {}
    if is_tried and len(runs) > 1 and not is_shared():
        results, errors = _train_together(runs, places, started, only_if_faster=together is None)
    for config, workdir in runs:
        if workdir not in results and workdir not in errors:
            try:
                results[workdir] = train(config, places, workdir=workdir, started=started)
            except UserError as error:
                if is_shared():  # perhaps of this process alone: the others are within this seed
                    raise
                errors[workdir] = error
            started = None  # imports and the like are the first one's
    if errors:
        rows = [f"{workdir.name}: {error}" for workdir, error in errors.items()]
        raise UserError("\n".join(rows))
    return [results[workdir] for _, workdir in runs]


def _train_together(
    runs: Runs, places: Places, started: float, *, only_if_faster: bool
) -> tuple[dict[Path, dict[str, Any]], dict[Path, UserError]]:
    """Trains all seeds in one program; returns results and errors by directory.

    Both are empty where each is left to its solo run: where one cannot be opened, where an earlier
    start has left the seeds at different places or within an epoch, or finished them, where the
    config saves within epochs or is a detector's, and where one program is slower, if that matters.
    """
    seeds = [config.seed for config, _ in runs]
    with listening() as interruption, ExitStack() as stack_of_runs:
        try:
            opened = [
                stack_of_runs.enter_context(
                    open_run(config, places, workdir=workdir, environment={"seeds_at_once": seeds})
                )
                for config, workdir in runs
            ]
        except UserError:  # the solo runs say of which seed, and train the others
            return {}, {}
        places_in_training = {(len(run.position.history), run.position.first) for run in opened}
        if (
            places_in_training != {(len(opened[0].position.history), 0)}
            or opened[0].epochs_left == 0
            or opened[0].config.checkpoint.every_steps
            or opened[0].experiment.task.name != "classification"
        ):
            return {}, {}
        seeds_together = _Together(opened, interruption, started)
        if only_if_faster and not seeds_together.is_faster():
            return {}, {}
        return seeds_together.train()


class _Together:
    """The seeds on the devices, and what each has come to."""

    def __init__(self, runs: Sequence[OpenRun], interruption: Interruption, started: float) -> None:
        self._runs = runs
        self._config = runs[0].config
        self._interruption = interruption
        experiments = [run.experiment for run in runs]
        self._steps = SeedSteps(self._config, experiments)
        partitions = [own.data.partition for own in experiments]
        parts = {
            "validation": [partition.validation for partition in partitions],
            "test": [partition.test for partition in partitions],
        }
        if self._config.eval.train_at_rest:
            parts["train_at_rest"] = [partition.train for partition in partitions]
        self._predict = {
            name: SeedPredict(self._config, experiments, own, self._steps.sharding)
            for name, own in parts.items()
        }
        self._loops = [Loop(run, interruption, lambda _: {}, started) for run in runs]
        self._errors: dict[Path, UserError] = {}

    def is_faster(self) -> bool:
        """Whether a step of all takes less time than one seed's after another's; trains nothing."""
        solo, together = time_both_ways(self._config, self._runs, self._steps)
        _log.info(
            "a training step of %d seeds: %.2f ms in one program, %.2f ms one after another",
            len(self._runs),
            1e3 * together,
            1e3 * solo,
        )
        return together < solo

    def train(self) -> tuple[dict[Path, dict[str, Any]], dict[Path, UserError]]:
        """Trains the epochs that are left, then evaluates and reports each seed."""
        states = stack([run.position.progress.state for run in self._runs], self._steps.sharding)
        first = len(self._runs[0].position.history) + 1
        with ExitStack() as boards:
            self._boards = [boards.enter_context(loop.board()) for loop in self._loops]
            states = self._compile(states, first)
            for epoch in range(first, self._config.train.num_epochs + 1):
                if len(self._errors) < len(self._runs):
                    states = self._train_epoch(states, epoch)
        results: dict[Path, dict[str, Any]] = {}
        if len(self._errors) == len(self._runs):
            return results, self._errors
        logits = self._logits(states)
        for place, (run, loop) in enumerate(zip(self._runs, self._loops, strict=True)):
            workdir = run.directory.path
            if workdir not in self._errors:
                own = jax.device_get(_of_seed(states, place))
                try:
                    results[workdir] = finish(run, loop.history, own, logits[place])
                except UserError as error:
                    self._errors[workdir] = error
        return results, self._errors

    def _compile(self, states: TrainState, epoch: int) -> TrainState:
        """Takes no step, so that the first epoch's seconds are those of its steps."""
        states, sums = self._steps.run(states, self._no_sums(), epoch=epoch, first=0, last=0)
        jax.block_until_ready(sums)
        return states

    def _no_sums(self) -> SeedSums:
        return stack([zero_sums()] * len(self._runs), self._steps.sharding)

    def _train_epoch(self, states: TrainState, epoch: int) -> TrainState:
        states, sums, seconds = self._run_steps(states, epoch)
        try:
            self._close_epoch(states, sums, epoch, seconds)
        except Interrupted:
            self._save_now(states, sums, seconds)
            raise
        return states

    def _run_steps(self, states: TrainState, epoch: int) -> tuple[TrainState, SeedSums, float]:
        """Takes an epoch's steps; a signal ends them after the call that is going on."""
        num_steps, sums = max(self._steps.num_steps), self._no_sums()
        title = f"epoch {epoch}/{self._config.train.num_epochs}, {len(self._runs)} seeds"
        start, done = time.perf_counter(), 0
        try:
            with (
                self._interruption.held(),
                tqdm(total=num_steps, desc=title, unit=" steps", disable=None) as bar,
            ):
                while done < num_steps and not self._interruption.is_asked():
                    last = min(done + self._config.train.steps_per_call, num_steps)
                    states, sums = self._steps.run(states, sums, epoch=epoch, first=done, last=last)
                    jax.block_until_ready(sums)
                    bar.update(last - done)
                    done = last
        except Interrupted:
            self._save_now(states, sums, time.perf_counter() - start)
            raise
        return states, sums, time.perf_counter() - start

    def _save_now(self, states: TrainState, sums: SeedSums, seconds: float) -> None:
        """Saves every seed; one whose values are no finite numbers keeps what it has saved."""
        for place, (run, loop) in enumerate(zip(self._runs, self._loops, strict=True)):
            if run.directory.path not in self._errors:
                try:
                    loop.save_now(self._progress(states, sums, place), seconds)
                except NotFinite as found:
                    _log.warning("seed %d is not saved again: %s", run.config.seed, found)

    def _close_epoch(self, states: TrainState, sums: SeedSums, epoch: int, seconds: float) -> None:
        measured = self._measure(states)
        for place, (run, loop) in enumerate(zip(self._runs, self._loops, strict=True)):
            workdir = run.directory.path
            if workdir in self._errors:
                continue
            progress = self._progress(states, sums, place)
            num_images = run.experiment.steps_per_epoch * self._config.train.batch_size
            metrics = {name: float(progress.sums[name]) / num_images for name in METRICS}
            result = EpochResult(progress, metrics, seconds)
            try:
                loop.close_epoch(epoch, result, measured[place], self._boards[place])
            except NotFinite as found:
                run.checkpoints.wait()
                self._errors[workdir] = loop.explain(found, epoch)
                _log.warning("seed %d: %s", run.config.seed, self._errors[workdir])

    def _measure(self, states: TrainState) -> list[dict[str, dict[str, float]]]:
        logits = self._logits(states)
        measured = [run.measure(own) for run, own in zip(self._runs, logits, strict=True)]
        if "train_at_rest" in self._predict:
            for run, own, part in zip(
                self._runs, self._predict["train_at_rest"](states.variables), measured, strict=True
            ):
                experiment = run.experiment
                part["train_at_rest"] = experiment.task.mean_metrics(
                    own, experiment.data.partition.train
                )
        return measured

    def _logits(self, states: TrainState) -> list[PartLogits]:
        parts = (self._predict[name](states.variables) for name in PartLogits._fields)
        return [PartLogits(*own) for own in zip(*parts, strict=True)]

    def _progress(self, states: TrainState, sums: SeedSums, place: int) -> Progress:
        sharding = replicated(self._runs[place].experiment.mesh)
        own = jax.device_get(_of_seed((states, sums), place))
        return Progress(*jax.device_put(own, sharding))


def _of_seed(stacked: Tree, place: int) -> Tree:
    """Returns one seed's arrays of those of all."""
    tree: Tree = jax.tree.map(lambda leaf: leaf[place], stacked)
    return tree
