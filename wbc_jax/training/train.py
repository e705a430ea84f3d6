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
from wbc_jax.training.interruption import Interrupted, Interruption, listening
from wbc_jax.training.profiling import record_trace, span
from wbc_jax.training.resume import (
    is_due,
    start_or_resume,
    steps_to_save,
    sums_before_an_epoch,
)
from wbc_jax.training.rngs import named_key
from wbc_jax.training.run_directory import RunDirectory
from wbc_jax.training.sharding import replicated
from wbc_jax.training.tensorboard import TensorBoard
from wbc_jax.training.train_state import Progress, TrainState, Variables

_log = logging.getLogger(__name__)


def train(
    config: ConfigDict,
    *,
    workdir: Path,
    data_dir: Path | None,
    cache_dir: Path,
    download: bool = False,
    on_bad_image: str = "error",
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
        on_bad_image: "error" refuses a set with files that cannot be used, "skip" leaves them out.
        profile: record a trace of this start's second epoch, or of its only one, in
            `workdir/profile`; changes no result.
        started: `time.perf_counter()` from which the run's seconds count; None: now.

    Returns:
        The content of `results.json`.

    Raises:
        UserError: the config, the data or the directory cannot be used, or the loss is no number.
        Interrupted: the process was asked to end; the state is saved.
    """
    started = time.perf_counter() if started is None else started
    with listening() as interruption:
        run = RunDirectory(workdir)
        run.require_usable(config.to_dict())
        experiment = build_experiment(
            config,
            data_dir=data_dir,
            cache_dir=cache_dir,
            download=download,
            on_bad_image=on_bad_image,
        )
        run.create(config.to_dict(), experiment.data.describe())
        write_json(workdir / "environment.json", describe_environment())
        for warning in experiment.data.warnings:
            _log.warning(warning)
        predict_parts = make_predict_parts(config, experiment)
        with Checkpoints(workdir / "checkpoints", num_best=config.checkpoint.num_best) as kept:
            state, epochs = _train_epochs(
                config, experiment, run, kept, predict_parts, interruption, profile, started
            )
        # Drawing libraries: half a second of imports that the first step does not wait for.
        from wbc_jax.evaluation.evaluate import finish_run

        logits = predict_parts(state.variables)
        return finish_run(config, experiment, workdir, epochs, state, logits)


def _train_epochs(
    config: ConfigDict,
    experiment: Experiment,
    run: RunDirectory,
    checkpoints: Checkpoints,
    predict_parts: Callable[[Variables], PartLogits],
    interruption: Interruption,
    profile: bool,
    started: float,
) -> tuple[TrainState, list[dict[str, Any]]]:
    """Runs the epochs that are still to do; returns the last state and the whole history."""
    num_epochs, loss_name = config.train.num_epochs, config.train.loss
    steps_per_epoch = experiment.steps_per_epoch
    position = start_or_resume(experiment, checkpoints)
    history, progress = position.history, position.progress
    run.write_epochs(history)
    if len(history) == num_epochs:
        if profile:
            _log.warning("no epoch is left to train, so there is nothing to trace")
        return progress.state, history
    train_epoch = _make_train_epoch(config, experiment, progress)
    measure = _make_measure(config, experiment, predict_parts)
    jax.block_until_ready(progress)
    _log.info("first step %.1f s after the start", time.perf_counter() - started)
    # Counted over all starts: what the run has cost, not what this start has.
    started -= position.wall_seconds
    first = len(history) + 1
    # A start's first epoch compiles what the test needs.
    traced = min(first + 1, num_epochs) if profile else None

    def save(step: int, progress: Progress, epoch_seconds: float, **kwargs: float) -> None:
        facts = {
            "epochs": list(history),
            "epoch_seconds": epoch_seconds,
            "wall_seconds": time.perf_counter() - started,
        }
        checkpoints.save(step, progress, facts=facts, **kwargs)

    begun = {"first": position.first, "seconds": position.seconds}
    seconds = position.seconds
    with TensorBoard(run.path / "tensorboard", epochs_done=len(history)) as board:
        for epoch in range(first, num_epochs + 1):
            tracing = record_trace(run.path / "profile") if epoch == traced else nullcontext()
            try:
                with tracing, span(f"epoch {epoch}"):
                    before = (epoch - 1) * steps_per_epoch
                    with interruption.held():
                        progress, train_metrics, seconds = train_epoch(
                            progress,
                            epoch,
                            save_after=steps_to_save(config, before, steps_per_epoch),
                            save=lambda step, *rest, before=before: save(before + step, *rest),
                            is_stopped=lambda: interruption.signal is not None,
                            **(begun if epoch == first else {}),
                        )
                    record: dict[str, Any] = {
                        "epoch": epoch,
                        "seconds": seconds,
                        "train": train_metrics,
                        **measure(progress.state.variables),
                    }
                    # The test's too: the training loss is older than the epoch's last update.
                    _require_finite([record[part][loss_name] for part in ("train", "test")], epoch)
                    record["wall_seconds"] = time.perf_counter() - started
                    history.append(record)
                    run.append_epoch(record)
                    _log_epoch(record, loss_name)
                    with span("tensorboard"):
                        board.write_epoch(record, progress.state.params)
                    # Last: it goes on beside the next epoch, which should not wait for the cores.
                    if is_due(config, epoch, steps_per_epoch):
                        with span("checkpoint"):
                            step = epoch * steps_per_epoch
                            save(step, progress, 0.0, train_loss=train_metrics[loss_name])
                    progress, seconds = (
                        Progress(progress.state, sums_before_an_epoch(experiment)),
                        0.0,
                    )
            except Interrupted:
                save(int(progress.state.step), progress, seconds)
                checkpoints.wait()
                raise
    return progress.state, history


def _make_measure(
    config: ConfigDict, experiment: Experiment, predict_parts: Callable[[Variables], PartLogits]
) -> Callable[[Variables], dict[str, dict[str, float]]]:
    """Returns what measures losses and accuracies of the parts that a config asks for."""
    partition = experiment.data.partition
    predict_train = None
    if config.eval.train_at_rest:
        predict_train = make_predict_part(config, experiment, partition.train)

    def measure(variables: Variables) -> dict[str, dict[str, float]]:
        with span("test images"):
            measured = _measure(experiment, predict_parts(variables))
        if predict_train is not None:
            with span("training images at rest"):
                measured["train_at_rest"] = mean_metrics(
                    predict_train(variables), partition.train.label
                )
        return measured

    return measure


def _measure(experiment: Experiment, logits: PartLogits) -> dict[str, dict[str, float]]:
    """Returns losses and accuracies of every part that is not trained on and not empty."""
    return {
        name: mean_metrics(part_logits, getattr(experiment.data.partition, name).label)
        for name, part_logits in logits._asdict().items()
        if len(part_logits)
    }


def _make_train_epoch(
    config: ConfigDict, experiment: Experiment, progress: Progress
) -> Callable[..., EpochResult]:
    """Puts the training images on the devices and returns what trains on them for one epoch.

    The steps are compiled here, for states like that of `progress`, so that an epoch's seconds are
    training.
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
    run_steps = experiment.run_steps.lower(
        progress.state, progress.sums, examples, order_of(1), 0, 1, keys
    ).compile()
    _log.info("compiled the training step in %.1f s", time.perf_counter() - start)

    def train_epoch(progress: Progress, epoch: int, **kwargs: Any) -> EpochResult:
        return run_epoch(
            run_steps,
            progress,
            examples,
            order_of(epoch),
            keys,
            steps_per_call=config.train.steps_per_call,
            loss_name=config.train.loss,
            title=f"epoch {epoch}/{config.train.num_epochs}",
            **kwargs,
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
