"""Where a start begins, and after which steps the state is saved.

position = start_or_resume(experiment, checkpoints)
steps_to_save(config, steps_before=62, steps_per_epoch=62)
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
from jax.sharding import NamedSharding
from ml_collections import ConfigDict

from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.experiment import Experiment
from wbc_jax.training.restoring import restore_everywhere
from wbc_jax.training.sharding import replicated
from wbc_jax.training.train_state import Progress
from wbc_jax.training.train_step import Sums, zero_sums


class Position(NamedTuple):
    """Where a start begins: `first` is the step within its first epoch; seconds are spent ones."""

    progress: Progress
    history: list[dict[str, Any]]
    first: int
    seconds: float
    wall_seconds: float


def start_or_resume(experiment: Experiment, checkpoints: Checkpoints) -> Position:
    """Returns the state to go on from and the history that led to it."""
    checkpoint = restore_everywhere(checkpoints, experiment.abstract_progress())
    if checkpoint is None:
        progress = Progress(experiment.initial_state(), sums_before_an_epoch(experiment))
        return Position(progress, [], 0, 0.0, 0.0)
    facts, progress = checkpoint.facts, checkpoint.progress
    first = checkpoint.step - len(facts["epochs"]) * experiment.steps_per_epoch
    seconds = facts["epoch_seconds"]
    if first == 0:  # sums and seconds are those of the epoch that is in the history
        progress, seconds = Progress(progress.state, sums_before_an_epoch(experiment)), 0.0
    return Position(progress, facts["epochs"], first, seconds, facts["wall_seconds"])


def sums_before_an_epoch(experiment: Experiment) -> Sums:
    """Returns zeros on the devices."""
    return _make_zeros(experiment.task.metrics, replicated(experiment.mesh))()


@lru_cache
def _make_zeros(metrics: tuple[str, ...], sharding: NamedSharding) -> Callable[[], Sums]:
    return jax.jit(partial(zero_sums, metrics), out_shardings=sharding)


def is_due(config: ConfigDict, epoch: int, steps_per_epoch: int) -> bool:
    """Returns whether a checkpoint is due after the last step of an epoch."""
    every = config.checkpoint.every_steps
    is_last = epoch == config.train.num_epochs
    by_steps = bool(every) and epoch * steps_per_epoch % every == 0
    return is_last or by_steps or epoch % config.checkpoint.every_epochs == 0


def steps_to_save(config: ConfigDict, steps_before: int, steps_per_epoch: int) -> list[int]:
    """Returns after which steps of an epoch a checkpoint is due; not after its last."""
    every = config.checkpoint.every_steps
    if not every:
        return []
    return list(range(every - steps_before % every, steps_per_epoch, every))
