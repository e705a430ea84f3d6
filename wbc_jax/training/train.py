"""Trains one run from its config to its report; started again, it resumes.

results = train(config, Places(None, cache), workdir=Path("runs/cnn"))
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from wbc_jax.datasets.places import Places
from wbc_jax.evaluation.results import PartLogits
from wbc_jax.training.experiment import make_predict_part, make_predict_parts
from wbc_jax.training.interruption import listening
from wbc_jax.training.loop import Loop, Measure
from wbc_jax.training.open_run import OpenRun, open_run
from wbc_jax.training.processes import from_first
from wbc_jax.training.profiling import span
from wbc_jax.training.train_state import TrainState, Variables

_log = logging.getLogger(__name__)


def train(
    config: ConfigDict,
    places: Places,
    *,
    workdir: Path,
    profile: bool = False,
    started: float | None = None,
) -> dict[str, Any]:
    """Trains, or goes on training, the run in `workdir`, then evaluates and reports it.

    Args:
        config: as in `configs/`.
        places: where its images come from.
        workdir: the run's directory; new, or of an earlier start with the same config.
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
    with listening() as interruption, open_run(config, places, workdir=workdir) as run:
        predict_parts = make_predict_parts(config, run.experiment)
        state, history = run.position.progress.state, run.position.history
        if run.epochs_left:
            loop = Loop(run, interruption, _make_measure(run, predict_parts), started)
            loop.compile()
            state, history = loop.run(profile=profile), loop.history
        elif profile:
            _log.warning("no epoch is left to train, so there is nothing to trace")
        return finish(run, history, state, predict_parts(state.variables))


def finish(
    run: OpenRun, history: list[dict[str, Any]], state: TrainState, logits: PartLogits
) -> dict[str, Any]:
    """Writes predictions, results and report of a trained state; returns the results.

    Args:
        run: that was trained.
        history: one entry per epoch.
        state: after the last one.
        logits: of every validation and test image in that state.
    """
    run.checkpoints.wait()
    # Drawing libraries: half a second of imports that the first step does not wait for.
    from wbc_jax.evaluation.evaluate import finish_run

    path = run.directory.path
    return from_first(lambda: finish_run(run.config, run.experiment, path, history, state, logits))


def _make_measure(run: OpenRun, predict_parts: Callable[[Variables], PartLogits]) -> Measure:
    """Returns what measures losses and accuracies of the parts that a config asks for."""
    train_part, predict_train = run.experiment.data.partition.train, None
    if run.config.eval.train_at_rest:
        predict_train = make_predict_part(run.config, run.experiment, train_part)

    def measure(variables: Variables) -> dict[str, dict[str, float]]:
        with span("test images"):
            measured = run.measure(predict_parts(variables))
        if predict_train is not None:
            with span("training images at rest"):
                logits = predict_train(variables)
                measured["train_at_rest"] = run.experiment.task.mean_metrics(logits, train_part)
        return measured

    return measure
