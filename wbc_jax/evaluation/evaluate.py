"""The end of a run: every test example once, then predictions, results and report.

results = evaluate(Path("runs/cnn"), Places(None, cache))      # from its checkpoint
"""

import logging
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from wbc_jax import run_names
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.evaluation.finish_detection import finish_detection
from wbc_jax.evaluation.results import (
    PartLogits,
    softmax,
    write_predictions,
    write_results,
    write_smear_predictions,
)
from wbc_jax.evaluation.scores import score
from wbc_jax.nested import flatten
from wbc_jax.reporting import leaky
from wbc_jax.reporting.cards import write_cards
from wbc_jax.reporting.report import write_report
from wbc_jax.reporting.run_files import read_run
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.experiment import Experiment, build_experiment, make_predict_parts
from wbc_jax.training.processes import from_first
from wbc_jax.training.restoring import restore_everywhere
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
    "mcc",
    "brier",
    "ece",
)
_log = logging.getLogger(__name__)


def evaluate(workdir: Path, places: Places) -> dict[str, Any]:
    """Evaluates the latest checkpoint of a run anew and rewrites its results and report.

    Args:
        workdir: the run's directory; its config says which model and which data.
        places: where its images come from; `on_bad_image` has to be the run's.

    Returns:
        The content of `results.json`.

    Raises:
        UserError: there is no finished run, no checkpoint or no data, or they do not fit together.
    """
    run = RunDirectory(workdir)
    with run.reading_config() as config:
        experiment = build_experiment(config, places, trains=False)
    run.require_same_data(experiment.data.describe())
    with run.locked():
        with Checkpoints(workdir / run_names.CHECKPOINTS) as checkpoints:
            checkpoint = restore_everywhere(checkpoints, experiment.abstract_progress())
        if checkpoint is None:
            raise UserError(
                f"{workdir}/checkpoints holds no checkpoint; train first, with the same --workdir"
            )
        epochs, state = checkpoint.facts["epochs"], checkpoint.progress.state
        if len(epochs) < config.train.num_epochs:
            raise UserError(
                f"the run in {workdir} has done {len(epochs)} of {config.train.num_epochs} epochs; "
                "finish it first: the command that started it resumes it"
            )
        logits = make_predict_parts(config, experiment)(state.variables)
        return from_first(lambda: finish_run(config, experiment, workdir, epochs, state, logits))


def finish_run(
    config: ConfigDict,
    experiment: Experiment,
    workdir: Path,
    epochs: list[dict[str, Any]],
    state: TrainState,
    logits: PartLogits,
) -> dict[str, Any]:
    """Writes predictions, results and report of a trained state; returns the results.

    Args:
        config: of the run.
        experiment: built from it.
        workdir: the run's directory.
        epochs: history, one entry per epoch.
        state: after the last epoch.
        logits: of every validation and test image in that state.
    """
    data, (train, validation, test) = experiment.data, experiment.data.partition
    images_trained = len(epochs) * experiment.steps_per_epoch * config.train.batch_size
    facts = {
        "model": config.model.name,
        "dataset": data.prepared.spec.name,
        "protocol": data.protocol.name,
        "is_leaky": data.protocol.is_leaky,
        "warnings": list(data.warnings),
        "seed": config.seed,
        "num_train": len(train.label),
        "num_validation": len(validation.label),
        "num_test": len(test.label),
        "classes": list(data.classes),
        "band_statistics": {
            name: [float(value) for value in values]
            for name, values in experiment.task.statistics._asdict().items()
        },
        "epochs": epochs,
        "num_params": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "wall_seconds": epochs[-1]["wall_seconds"],
        "images_per_second": images_trained / sum(epoch["seconds"] for epoch in epochs),
    }
    results, headline = _FINISH[experiment.task.name](config, experiment, workdir, facts, logits)
    drawn = sorted((workdir / "figures").glob("*.png"))
    with TensorBoard(workdir / "tensorboard", epochs_done=len(epochs)) as board:
        board.write_pictures(len(epochs), {f"report/{one.stem}": one.read_bytes() for one in drawn})
        board.write_hparams(flatten(config.to_dict()), headline)
    write_results(workdir, results)
    if data.protocol.is_leaky:
        _log.warning("%s %s: %s", leaky.MARK, data.protocol.name, leaky.WORDS)
    _log.info("report: %s", workdir / run_names.REPORT)
    return results


def _finish_classification(
    config: ConfigDict,
    experiment: Experiment,
    workdir: Path,
    facts: dict[str, Any],
    logits: PartLogits,
) -> tuple[dict[str, Any], dict[str, float]]:
    """Writes predictions of images and smears, cards and report; returns results and headline."""
    data, (_, validation, test) = experiment.data, experiment.data.partition
    scores = score(logits, data.partition, data.classes)
    results = {**facts, **scores.figures}
    write_predictions(workdir, test, scores.probabilities)
    write_smear_predictions(workdir, scores.smears, scores.smear_probabilities)
    if len(logits.validation):
        write_predictions(
            workdir, validation, softmax(logits.validation), name=run_names.VALIDATION_PREDICTIONS
        )
    run = read_run(workdir, results)
    write_cards(run)
    write_report(run, test.image)
    return results, {name: results["test"][name] for name in HEADLINE}


_FINISH = {"classification": _finish_classification, "detection": finish_detection}
