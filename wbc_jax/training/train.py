"""Trains one run from its config to its report; started again, it resumes.

results = train(config, workdir=Path("runs/cnn"), data_dir=None, cache_dir=cache)
"""

import logging
import math
import time
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from wbc_jax.atomic_files import write_json
from wbc_jax.data.input_pipeline import epoch_order, put_examples
from wbc_jax.errors import UserError
from wbc_jax.evaluation.evaluate import finish_run, make_test_predict
from wbc_jax.evaluation.results import mean_metrics
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.environment import describe_environment
from wbc_jax.training.epoch import run_epoch
from wbc_jax.training.experiment import Experiment, build_experiment
from wbc_jax.training.rngs import named_key
from wbc_jax.training.run_directory import RunDirectory
from wbc_jax.training.sharding import replicated
from wbc_jax.training.tensorboard import TensorBoard
from wbc_jax.training.train_state import TrainState

_log = logging.getLogger(__name__)


def train(
    config: ConfigDict,
    *,
    workdir: Path,
    data_dir: Path | None,
    cache_dir: Path,
    download: bool = False,
) -> dict[str, Any]:
    """Trains, or goes on training, the run in `workdir`, then evaluates and reports it.

    Args:
        config: as in `configs/`.
        workdir: the run's directory; new, or of an earlier start with the same config.
        data_dir: where a user's images are looked for; only read.
        cache_dir: where prepared sets and arrays are kept.
        download: fetch images that are not found, where that is allowed.

    Returns:
        The content of `results.json`.

    Raises:
        UserError: the config, the data or the directory cannot be used, or the loss is no number.
    """
    start = time.perf_counter()
    experiment = build_experiment(config, data_dir=data_dir, cache_dir=cache_dir, download=download)
    run = RunDirectory.open(workdir, config.to_dict())
    write_json(workdir / "dataset.json", experiment.data.describe())
    write_json(workdir / "environment.json", describe_environment())
    for warning in experiment.data.protocol.warnings:
        _log.warning(warning)
    with Checkpoints(workdir / "checkpoints", num_best=config.checkpoint.num_best) as checkpoints:
        state, epochs = _train_epochs(config, experiment, run, checkpoints, start)
    return finish_run(config, experiment, workdir, state, epochs)


def _train_epochs(
    config: ConfigDict,
    experiment: Experiment,
    run: RunDirectory,
    checkpoints: Checkpoints,
    start: float,
) -> tuple[TrainState, list[dict[str, Any]]]:
    """Runs the epochs that are still to do; returns the last state and the whole history."""
    epochs_done, state = 0, None
    if checkpoints.latest() is not None:
        epochs_done, state = checkpoints.restore_latest(experiment.abstract_state())
        _log.info("resuming after epoch %d of %d", epochs_done, config.train.num_epochs)
    history = run.keep_epochs(epochs_done)
    # Counted over all starts: what the run has cost, not what this start has.
    start -= history[-1]["wall_seconds"] if history else 0.0
    if epochs_done == config.train.num_epochs and state is not None:
        return state, history
    state = state or experiment.initial_state()
    everywhere = replicated(experiment.mesh)
    train_part, test_part = experiment.data.partition
    examples = put_examples(train_part, everywhere)
    predict_test = make_test_predict(config, experiment)
    keys = {name: named_key(config.seed, name) for name in ("dropout", "augment")}
    keys = jax.device_put(keys, everywhere)
    with TensorBoard(run.path / "tensorboard", epochs_done=epochs_done) as board:
        for epoch in range(epochs_done + 1, config.train.num_epochs + 1):
            order = epoch_order(
                named_key(config.seed, "order"),
                epoch,
                num_examples=len(train_part.label),
                batch_size=config.train.batch_size,
            )
            order = jax.device_put(order, everywhere)
            state, train_metrics, seconds = run_epoch(
                experiment.run_steps,
                state,
                examples,
                order,
                keys,
                steps_per_call=config.train.steps_per_call,
                loss_name=config.train.loss,
                title=f"epoch {epoch}/{config.train.num_epochs}",
            )
            _require_finite(train_metrics[config.train.loss], epoch)
            test_metrics = mean_metrics(predict_test(state.variables), test_part.label)
            history.append(
                {
                    "epoch": epoch,
                    "seconds": seconds,
                    "wall_seconds": time.perf_counter() - start,
                    "train": train_metrics,
                    "test": test_metrics,
                }
            )
            # The line first: a checkpoint without its line could not be resumed.
            run.append_epoch(history[-1])
            if epoch % config.checkpoint.every_epochs == 0 or epoch == config.train.num_epochs:
                checkpoints.save(epoch, state, train_loss=train_metrics[config.train.loss])
            scalars = {
                f"{part}/{name}": value
                for part, metrics in (("train", train_metrics), ("test", test_metrics))
                for name, value in metrics.items()
            }
            board.write_epoch(epoch, scalars, state.params)
            _log_epoch(epoch, config.train.loss, train_metrics, test_metrics)
    return state, history


def _require_finite(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"the training loss is no longer a finite number in epoch {epoch}; lower "
            "optim.learning_rate, or warm up with optim.warmup_epochs, in a new --workdir"
        )


def _log_epoch(
    epoch: int, loss: str, train_metrics: dict[str, float], test_metrics: dict[str, float]
) -> None:
    parts = (
        f"{part} loss {metrics[loss]:.4f}, categorical accuracy "
        f"{metrics['categorical_accuracy']:.1%}, binary accuracy {metrics['binary_accuracy']:.1%}"
        for part, metrics in (("train", train_metrics), ("test", test_metrics))
    )
    _log.info("epoch %d: %s", epoch, "; ".join(parts))
