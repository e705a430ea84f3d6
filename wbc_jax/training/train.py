"""Trains one run from its config to its report; started again, it resumes.

results = train(config, workdir=Path("runs/cnn"), data_dir=None, cache_dir=cache)
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from wbc_jax.atomic_files import write_json
from wbc_jax.evaluation.results import PartLogits
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.environment import describe_environment
from wbc_jax.training.experiment import (
    Experiment,
    build_experiment,
    make_predict_part,
    make_predict_parts,
)
from wbc_jax.training.interruption import listening
from wbc_jax.training.loop import Loop, Measure
from wbc_jax.training.processes import from_first, is_first
from wbc_jax.training.profiling import span
from wbc_jax.training.resume import start_or_resume
from wbc_jax.training.run_directory import RunDirectory
from wbc_jax.training.train_state import Variables

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
    run = RunDirectory(workdir)
    from_first(lambda: run.require_usable(config.to_dict()))
    with listening() as interruption:
        experiment = build_experiment(
            config,
            data_dir=data_dir,
            cache_dir=cache_dir,
            download=download,
            on_bad_image=on_bad_image,
        )
        with run.locked():
            from_first(lambda: run.create(config.to_dict(), experiment.data.describe()))
            if is_first():
                write_json(workdir / "environment.json", describe_environment())
            for warning in experiment.data.warnings:
                _log.warning(warning)
            predict_parts = make_predict_parts(config, experiment)
            with Checkpoints(workdir / "checkpoints", num_best=config.checkpoint.num_best) as kept:
                position = start_or_resume(experiment, kept)
                if is_first():
                    run.write_epochs(position.history)
                state, history = position.progress.state, position.history
                if len(history) < config.train.num_epochs:
                    measure = _make_measure(config, experiment, predict_parts)
                    loop = Loop(
                        config, experiment, run, kept, interruption, measure, position, started
                    )
                    jax.block_until_ready(position.progress)
                    _log.info("first step %.1f s after the start", time.perf_counter() - started)
                    state, history = loop.run(profile=profile), loop.history
                elif profile:
                    _log.warning("no epoch is left to train, so there is nothing to trace")
            # Drawing libraries: half a second of imports that the first step does not wait for.
            from wbc_jax.evaluation.evaluate import finish_run

            logits = predict_parts(state.variables)
            return from_first(
                lambda: finish_run(config, experiment, workdir, history, state, logits)
            )


def _make_measure(
    config: ConfigDict, experiment: Experiment, predict_parts: Callable[[Variables], PartLogits]
) -> Measure:
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
                measured["train_at_rest"] = experiment.task.mean_metrics(
                    predict_train(variables), partition.train
                )
        return measured

    return measure


def _measure(experiment: Experiment, logits: PartLogits) -> dict[str, dict[str, float]]:
    """Returns losses and accuracies of every part that is not trained on and not empty."""
    return {
        name: experiment.task.mean_metrics(part_logits, getattr(experiment.data.partition, name))
        for name, part_logits in logits._asdict().items()
        if len(part_logits)
    }
