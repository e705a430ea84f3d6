"""Trains one run from its config to its report; started again, it resumes.

results = train(config, workdir=Path("runs/cnn"), data_dir=None, cache_dir=cache)
"""

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
from jaxtyping import Array, Key
from ml_collections import ConfigDict

from wbc_jax.atomic_files import write_json
from wbc_jax.data.input_pipeline import epoch_order, put_examples, sampling_shares
from wbc_jax.errors import UserError
from wbc_jax.evaluation.results import PartLogits, mean_metrics
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.environment import describe_environment
from wbc_jax.training.epoch import EpochResult, run_epoch
from wbc_jax.training.experiment import (
    Experiment,
    build_experiment,
    make_predict_part,
    make_predict_parts,
)
from wbc_jax.training.profiling import record_trace, span
from wbc_jax.training.rngs import named_key
from wbc_jax.training.run_directory import RunDirectory
from wbc_jax.training.sharding import replicated
from wbc_jax.training.tensorboard import TensorBoard
from wbc_jax.training.train_state import TrainState, Variables
from wbc_jax.training.train_step import zero_sums

_log = logging.getLogger(__name__)


def train(
    config: ConfigDict,
    *,
    workdir: Path,
    data_dir: Path | None,
    cache_dir: Path,
    download: bool = False,
    profile: bool = False,
    started: float | None = None,
) -> dict[str, Any]:
    """Trains, or goes on training, the run in `workdir`, then evaluates and reports it.

    Args:
        config: as in `configs/`.
        workdir: the run's directory; new, or of an earlier start with the same config.
        data_dir: where a user's images are looked for; only read.
        cache_dir: where prepared sets and arrays are kept.
        download: fetch images that are not found, where that is allowed.
        profile: record a trace of this start's second epoch, or of its only one, in
            `workdir/profile`; changes no result.
        started: `time.perf_counter()` from which the run's seconds count; None: now.

    Returns:
        The content of `results.json`.

    Raises:
        UserError: the config, the data or the directory cannot be used, or the loss is no number.
    """
    started = time.perf_counter() if started is None else started
    run = RunDirectory(workdir)
    run.require_usable(config.to_dict())
    experiment = build_experiment(config, data_dir=data_dir, cache_dir=cache_dir, download=download)
    run.create(config.to_dict(), experiment.data.describe())
    write_json(workdir / "environment.json", describe_environment())
    for warning in experiment.data.protocol.warnings:
        _log.warning(warning)
    predict_parts = make_predict_parts(config, experiment)
    with Checkpoints(workdir / "checkpoints", num_best=config.checkpoint.num_best) as checkpoints:
        state, epochs = _train_epochs(
            config, experiment, run, checkpoints, predict_parts, profile, started
        )
    # Drawing libraries: half a second of imports that the first step does not wait for.
    from wbc_jax.evaluation.evaluate import finish_run

    return finish_run(config, experiment, workdir, epochs, state, predict_parts(state.variables))


def _train_epochs(
    config: ConfigDict,
    experiment: Experiment,
    run: RunDirectory,
    checkpoints: Checkpoints,
    predict_parts: Callable[[Variables], PartLogits],
    profile: bool,
    started: float,
) -> tuple[TrainState, list[dict[str, Any]]]:
    """Runs the epochs that are still to do; returns the last state and the whole history."""
    num_epochs, loss_name = config.train.num_epochs, config.train.loss
    state, history = _start_or_resume(experiment, run, checkpoints)
    if len(history) == num_epochs:
        if profile:
            _log.warning("no epoch is left to train, so there is nothing to trace")
        return state, history
    train_epoch = _make_train_epoch(config, experiment, state)
    train_part = experiment.data.partition.train
    predict_train = None
    if config.eval.train_at_rest:
        predict_train = make_predict_part(config, experiment, train_part)
    jax.block_until_ready(state)
    _log.info("first step %.1f s after the start", time.perf_counter() - started)
    # Counted over all starts: what the run has cost, not what this start has.
    started -= history[-1]["wall_seconds"] if history else 0.0
    first = len(history) + 1
    # A start's first epoch compiles what the test needs.
    traced = min(first + 1, num_epochs) if profile else None
    with TensorBoard(run.path / "tensorboard", epochs_done=len(history)) as board:
        for epoch in range(first, num_epochs + 1):
            tracing = record_trace(run.path / "profile") if epoch == traced else nullcontext()
            with tracing, span(f"epoch {epoch}"):
                state, train_metrics, seconds = train_epoch(state, epoch)
                with span("test images"):
                    measured = _measure(experiment, predict_parts(state.variables))
                if predict_train is not None:
                    with span("training images at rest"):
                        logits = predict_train(state.variables)
                        measured["train_at_rest"] = mean_metrics(logits, train_part.label)
                train_loss = train_metrics[loss_name]
                # The test's too: the training loss is older than the epoch's last update.
                _require_finite([train_loss, measured["test"][loss_name]], epoch)
                record = {
                    "epoch": epoch,
                    "seconds": seconds,
                    "wall_seconds": time.perf_counter() - started,
                    "train": train_metrics,
                    **measured,
                }
                history.append(record)
                # The line first: a checkpoint without its line could not be resumed.
                run.append_epoch(record)
                _log_epoch(record, loss_name)
                with span("tensorboard"):
                    board.write_epoch(record, state.params)
                # Last: it goes on beside the next epoch, which should not wait for the cores.
                if epoch % config.checkpoint.every_epochs == 0 or epoch == num_epochs:
                    with span("checkpoint"):
                        checkpoints.save(epoch, state, train_loss=train_loss)
    return state, history


def _measure(experiment: Experiment, logits: PartLogits) -> dict[str, dict[str, float]]:
    """Returns losses and accuracies of every part that is not trained on and not empty."""
    return {
        name: mean_metrics(part_logits, getattr(experiment.data.partition, name).label)
        for name, part_logits in logits._asdict().items()
        if len(part_logits)
    }


def _start_or_resume(
    experiment: Experiment, run: RunDirectory, checkpoints: Checkpoints
) -> tuple[TrainState, list[dict[str, Any]]]:
    """Returns the state to go on from and the history that led to it."""
    epochs_done, state = 0, None
    if checkpoints.latest() is not None:
        epochs_done, state = checkpoints.restore_latest(experiment.abstract_state())
    history = run.read_epochs(epochs_done)
    run.drop_epochs_after(epochs_done)
    return state or experiment.initial_state(), history


def _make_train_epoch(
    config: ConfigDict, experiment: Experiment, state: TrainState
) -> Callable[[TrainState, int], EpochResult]:
    """Puts the training images on the devices and returns what trains on them for one epoch.

    The steps are compiled here, for states like `state`, so that an epoch's seconds are training.
    """
    everywhere = replicated(experiment.mesh)
    train_part = experiment.data.partition.train
    examples = put_examples(train_part, everywhere)
    shares = sampling_shares(train_part, config.data.balance)

    def named_keys() -> dict[str, Key[Array, ""]]:
        return {name: named_key(config.seed, name) for name in ("dropout", "augment", "order")}

    keys = jax.jit(named_keys, out_shardings=everywhere)()
    order_key = keys.pop("order")

    def order_of(epoch: int) -> Array:
        order = epoch_order(
            order_key,
            epoch,
            num_examples=len(train_part.label),
            batch_size=config.train.batch_size,
            shares=shares,
        )
        return jax.device_put(order, everywhere)

    start = time.perf_counter()
    sums = jax.device_put(zero_sums(), everywhere)
    run_steps = experiment.run_steps.lower(state, sums, examples, order_of(1), 0, 1, keys).compile()
    _log.info("compiled the training step in %.1f s", time.perf_counter() - start)

    def train_epoch(state: TrainState, epoch: int) -> EpochResult:
        return run_epoch(
            run_steps,
            state,
            examples,
            order_of(epoch),
            keys,
            steps_per_call=config.train.steps_per_call,
            loss_name=config.train.loss,
            title=f"epoch {epoch}/{config.train.num_epochs}",
        )

    return train_epoch


def _require_finite(losses: list[float], epoch: int) -> None:
    if not all(map(math.isfinite, losses)):
        raise UserError(
            f"the loss is no longer a finite number in epoch {epoch}; lower "
            "optim.learning_rate, or warm up with optim.warmup_epochs, in a new --workdir"
        )


def _log_epoch(record: Mapping[str, Any], loss_name: str) -> None:
    parts = (
        f"{part} loss {record[part][loss_name]:.4f}, categorical accuracy "
        f"{record[part]['categorical_accuracy']:.1%}, binary accuracy "
        f"{record[part]['binary_accuracy']:.1%}"
        for part in ("train", "validation", "test")
        if part in record
    )
    _log.info("epoch %d: %s", record["epoch"], "; ".join(parts))
