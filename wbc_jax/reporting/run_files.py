"""Reads the files of a finished run's directory and says plainly what is wrong with them.

    run = read_run(Path("runs/alexnet-paper-seed0"))
    run.results["test"]["categorical_accuracy"]
    read_predictions(run).probabilities       # [N, K]

Only these files tie reporting to training; nothing of the trainer is imported.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped

from wbc_jax import run_names
from wbc_jax.atomic_files import to_json
from wbc_jax.errors import UserError
from wbc_jax.reporting.run_arrays import read_arrays
from wbc_jax.reporting.run_schema import FILES, REPEAT, SCHEMAS, check


@dataclass(frozen=True)
class Run:
    """A finished run, as its files state it.

    Attributes:
        path: the run's directory.
        config: nested fields of config.json.
        environment: flat fields of environment.json (versions, devices, command).
        dataset: dataset.json: which data, which protocol, what to be warned of.
        results: results.json: every epoch and the final test; accuracies are fractions in [0, 1].
    """

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    dataset: dict[str, Any]
    results: dict[str, Any]

    @property
    def task(self) -> str:
        """What it was trained for: "classification" or "detection"."""
        return task_of(self.results)

    @property
    def is_leaky(self) -> bool:
        """Whether copies of one smear may be on both sides of the run's division."""
        return bool(self.results["is_leaky"])

    @property
    def is_synthetic(self) -> bool:
        """Whether the images were drawn by a program, so that no figure is a result on cells."""
        return str(self.dataset["dataset"]).split("/")[0].startswith("synthetic")


class Predictions(NamedTuple):
    """What is said of every test image: by one run, or by one seed's runs of all folds together.

    Attributes:
        filenames: where each image came from; all different.
        sources: the smear that each image shows.
        labels: true class indices, in [0, K).
        probabilities: softmax outputs, each row sums to 1.
    """

    filenames: Shaped[np.ndarray, " n"]
    sources: Shaped[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]
    probabilities: Float[np.ndarray, "n k"]

    def tested(self) -> frozenset[tuple[Any, ...]]:
        """Returns every image with its smear and its class."""
        rows = (self.filenames.tolist(), self.sources.tolist(), self.labels.tolist())
        return frozenset(zip(*rows, strict=True))


@dataclass(frozen=True)
class SmearPredictions:
    """What the trained model says of every test smear, its copies taken together.

    Attributes:
        labels: true class indices, in [0, K).
        probabilities: the mean over the smear's images, each row sums to 1.
    """

    labels: Int[np.ndarray, " s"]
    probabilities: Float32[np.ndarray, "s k"]


def task_of(results: Mapping[str, Any]) -> str:
    """Returns the task of a run by its results.json, where classifiers have no such field."""
    return str(results.get("task", "classification"))


def read_runs(paths: Sequence[Path], task: str | None = "classification") -> list[Run]:
    """Reads and checks several runs.

    Args:
        paths: their directories.
        task: what they must have been trained for; None takes any.

    Raises:
        UserError: none is given, one is given twice, one cannot be read or is of another task.
    """
    if not paths:
        raise UserError("no run is given; name at least one directory of a finished run in --runs")
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise UserError(f"run {path} is given twice; name each run once")
        seen.add(path.resolve())
    return [_read(path, task=task) for path in paths]


def read_run(path: Path, results: Mapping[str, Any] | None = None) -> Run:
    """Reads and checks the run at `path`.

    Args:
        path: the run's directory.
        results: of a run that is about to finish, which has not written results.json yet.

    Raises:
        UserError: the directory is missing, is no run, holds an unfinished run, or one of its
            files is damaged or lacks a field.
    """
    return _read(path, results, task="classification")


def read_detector_run(path: Path, results: Mapping[str, Any] | None = None) -> Run:
    """Reads and checks the run of a detector at `path`.

    Args:
        path: as of `read_run`.
        results: as of `read_run`.

    Raises:
        UserError: as `read_run`, or it is the run of a classifier.
    """
    return _read(path, results, task="detection")


def _read(path: Path, results: Mapping[str, Any] | None = None, *, task: str | None) -> Run:
    if not path.is_dir():
        raise UserError(
            f"run directory {path} does not exist; give the working directory of a finished run"
        )
    if not (path / run_names.CONFIG).is_file():
        raise UserError(
            f"{path} is not a run directory: it holds no config.json; "
            "give the working directory of a finished run"
        )
    if results is None and not (path / run_names.RESULTS).is_file():
        raise UserError(
            f"the run at {path} is not finished: it holds no results.json, which is written last; "
            "start it again with the same config and it resumes"
        )
    files = {
        name: _read_json(path / name)
        if results is None or name != run_names.RESULTS
        else json.loads(to_json(results))
        for name in FILES
    }
    found = task_of(files[run_names.RESULTS])
    if found not in SCHEMAS or task not in (None, found):
        raise UserError(
            f"{path} is a run of the task {found!r} and this needs one of the task "
            f"{' or '.join(map(repr, [task] if task else SCHEMAS))}; name another run"
        )
    for name, schema in SCHEMAS[found].items():
        check(files[name], schema, path / name)
    _add_what_earlier_versions_left_out(files[run_names.DATASET], found)
    run = Run(
        path=path,
        config=files[run_names.CONFIG],
        environment=files[run_names.ENVIRONMENT],
        dataset=files[run_names.DATASET],
        results=files[run_names.RESULTS],
    )
    if found == "classification":
        _check_classes(run)
    return run


def _add_what_earlier_versions_left_out(dataset: dict[str, Any], task: str) -> None:
    dataset.setdefault("counted", "cells" if task == "detection" else "images")
    of_classes = dataset["smears"].items()
    dataset.setdefault("all_smears", {part: sum(own.values()) for part, own in of_classes})


def read_predictions(run: Run) -> Predictions:
    """Reads predictions.npz of `run`.

    Raises:
        UserError: the file is missing, damaged, or disagrees with results.json.
    """
    path = run.path / run_names.PREDICTIONS
    names = ("filename", "source", "label", "probabilities")
    predictions = Predictions(*read_arrays(path, names))
    shapes = [array.shape for array in predictions]
    shape = (run.results["num_test"], len(run.results["classes"]))
    if shapes != [shape[:1]] * 3 + [shape]:
        raise UserError(
            f"{path} holds {shapes[0]} file names, {shapes[1]} sources, {shapes[2]} labels and "
            f"{shapes[3]} probabilities, but results.json states {shape[0]} test images of "
            f"{shape[1]} classes; {REPEAT}"
        )
    return predictions


def read_smear_predictions(run: Run) -> SmearPredictions:
    """Reads smear_predictions.npz of `run`.

    Raises:
        UserError: the file is missing, damaged, or disagrees with results.json.
    """
    path = run.path / run_names.SMEAR_PREDICTIONS
    labels, probabilities = read_arrays(path, ("label", "probabilities"))
    shape = (run.results["test"]["num_smears"], len(run.results["classes"]))
    if probabilities.shape != shape or labels.shape != shape[:1]:
        raise UserError(
            f"{path} holds {labels.shape} labels and {probabilities.shape} probabilities, but "
            f"results.json states {shape[0]} test smears of {shape[1]} classes; {REPEAT}"
        )
    return SmearPredictions(labels, probabilities)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {REPEAT}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: it is not valid JSON ({error}); {REPEAT}") from None
    check(content, {"*": object}, path)
    return content


def _check_classes(run: Run) -> None:
    """Checks what spans several fields, so that no table is cut short or misaligned silently."""
    path, results = run.path / run_names.RESULTS, run.results
    count = len(results["classes"])
    for part in ("test", "test_smears"):
        matrix = results[part]["confusion_matrix"]
        if count == 0 or len(matrix) != count or any(len(row) != count for row in matrix):
            raise UserError(
                f"{path}: '{part}.confusion_matrix' must have one row and one column for each of "
                f"the {count} classes; {REPEAT}"
            )
    by_class = {
        f"{part}.{field}": results[part][field]
        for part in ("test", "test_smears")
        for field in ("per_class", "auroc", "num_smears_per_class")
    }
    by_class |= {
        f"intervals.{level}.{field}": results["intervals"][level][field]
        for level in ("image", "smear")
        for field in ("per_class", "auroc")
    }
    for field, values in by_class.items():
        if missing := [name for name in results["classes"] if name not in values]:
            raise UserError(f"{path} lacks the field '{field}.{missing[0]}'; {REPEAT}")
    if not results["epochs"]:
        raise UserError(f"{path}: 'epochs' is empty, at least one is needed; {REPEAT}")
