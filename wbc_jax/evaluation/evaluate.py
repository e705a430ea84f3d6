"""The end of a run: every test example once, then predictions, results and report.

results = evaluate(Path("runs/cnn"), data_dir=None, cache_dir=cache)      # from its checkpoint
"""

import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from wbc_jax.errors import UserError
from wbc_jax.evaluation.results import (
    final_test_figures,
    softmax,
    write_predictions,
    write_results,
)
from wbc_jax.nested import flatten
from wbc_jax.reporting import plots
from wbc_jax.reporting.report import write_report
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.experiment import Experiment, build_experiment, make_test_predict
from wbc_jax.training.run_directory import RunDirectory
from wbc_jax.training.tensorboard import TensorBoard
from wbc_jax.training.train_state import TrainState

# Figures of the final test for TensorBoard's table of runs and settings.
HEADLINE = (
    "categorical_accuracy",
    "binary_accuracy",
    "binary_cross_entropy",
    "balanced_accuracy",
    "macro_f1",
)
_log = logging.getLogger(__name__)


def evaluate(workdir: Path, *, data_dir: Path | None, cache_dir: Path) -> dict[str, Any]:
    """Evaluates the latest checkpoint of a run anew and rewrites its results and report.

    Args:
        workdir: the run's directory; its config says which model and which data.
        data_dir: where a user's images are looked for; only read.
        cache_dir: where prepared sets and arrays are kept.

    Returns:
        The content of `results.json`.

    Raises:
        UserError: there is no finished run, no checkpoint or no data, or they do not fit together.
    """
    run = RunDirectory(workdir)
    config = run.load_config()
    experiment = build_experiment(config, data_dir=data_dir, cache_dir=cache_dir)
    run.require_same_data(experiment.data.describe())
    with Checkpoints(workdir / "checkpoints", num_best=config.checkpoint.num_best) as checkpoints:
        epochs_done, state = checkpoints.restore_latest(experiment.abstract_state())
    if epochs_done < config.train.num_epochs:
        raise UserError(
            f"the run in {workdir} has done {epochs_done} of {config.train.num_epochs} epochs; "
            "finish it first: the command that started it resumes it"
        )
    logits = make_test_predict(config, experiment)(state.variables)
    return finish_run(config, experiment, workdir, run.read_epochs(epochs_done), state, logits)


def finish_run(
    config: ConfigDict,
    experiment: Experiment,
    workdir: Path,
    epochs: list[dict[str, Any]],
    state: TrainState,
    logits: Float[np.ndarray, "n k"],
) -> dict[str, Any]:
    """Writes predictions, results and report of a trained state; returns the results.

    Args:
        config: of the run.
        experiment: built from it.
        workdir: the run's directory.
        epochs: history, one entry per epoch.
        state: after the last epoch.
        logits: of every test image in that state.
    """
    data, test = experiment.data, experiment.data.partition.test
    probabilities = softmax(logits)
    images_trained = len(epochs) * experiment.steps_per_epoch * config.train.batch_size
    results = {
        "model": config.model.name,
        "dataset": data.prepared.spec.name,
        "protocol": data.protocol.name,
        "warnings": list(data.protocol.warnings),
        "seed": config.seed,
        "num_train": len(data.partition.train.label),
        "num_test": len(test.label),
        "classes": list(data.classes),
        "epochs": epochs,
        "test": final_test_figures(logits, test.label, data.classes),
        "num_params": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "wall_seconds": epochs[-1]["wall_seconds"],
        "images_per_second": images_trained / sum(epoch["seconds"] for epoch in epochs),
    }
    write_predictions(workdir, test, probabilities)
    figures = {
        "test/confusion_matrix": plots.confusion_matrix(
            np.array(results["test"]["confusion_matrix"]),
            data.classes,
            title=f"{config.model.name}, test",
        ),
        "test/images": plots.prediction_sheet(
            test.image, test.label, probabilities, data.classes, rows=3, columns=6
        ),
    }
    with TensorBoard(workdir / "tensorboard", epochs_done=len(epochs)) as board:
        board.write_figures(len(epochs), figures)
        board.write_hparams(
            flatten(config.to_dict()), {name: results["test"][name] for name in HEADLINE}
        )
    write_results(workdir, results)
    report = write_report(workdir, test.image)
    _log.info("report: %s", report)
    return results
