"""Reads the files of a finished run's directory and says plainly what is wrong with them.

    run = read_run(Path("runs/alexnet-paper-seed0"))
    run.results["test"]["categorical_accuracy"]
    read_predictions(run).probabilities       # [N, K]

Only these files tie reporting to training; nothing of the trainer is imported.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from wbc_jax.errors import UserError

_REPEAT = "run it again with the same config, in a new working directory"

# A schema is a type, {field: schema}, [schema of every item] or {"*": schema of every value}.
# A number may be null, which is how a canonical JSON file writes "not defined".
_Number = (int, float, type(None))
_EPOCH_METRICS = {
    "binary_cross_entropy": _Number,
    "softmax_cross_entropy": _Number,
    "categorical_accuracy": _Number,
    "binary_accuracy": _Number,
}
_CLASS_METRICS = {"precision": _Number, "recall": _Number, "f1": _Number, "support": int}
_SCHEMAS: dict[str, Any] = {
    "config.json": {"*": object},
    "environment.json": {"*": object},
    "dataset.json": {
        "dataset": str,
        "title": str,
        "version": str,
        "protocol": str,
        "protocol_description": str,
        "splits": {"*": {"num_examples": int, "digest": str}},
        "classes": [str],
        "train_class_counts": {"*": int},
        "test_class_counts": {"*": int},
        "warnings": [str],
    },
    "results.json": {
        "model": str,
        "dataset": str,
        "protocol": str,
        "seed": int,
        "num_train": int,
        "num_test": int,
        "classes": [str],
        "epochs": [
            {"epoch": int, "seconds": _Number, "train": _EPOCH_METRICS, "test": _EPOCH_METRICS}
        ],
        "test": {
            **_EPOCH_METRICS,
            "macro_f1": _Number,
            "balanced_accuracy": _Number,
            "per_class": {"*": _CLASS_METRICS},
            "confusion_matrix": [[int]],
        },
        "num_params": int,
        "wall_seconds": _Number,
        "images_per_second": _Number,
    },
}


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
    def is_synthetic(self) -> bool:
        """Whether the images were drawn by a program, so that no figure is a result on cells."""
        return str(self.dataset["dataset"]).split("/")[0].startswith("synthetic")


@dataclass(frozen=True)
class Predictions:
    """What the trained model says of every test image, in the order of the test images.

    Attributes:
        filenames: where each image came from.
        labels: true class indices, in [0, K).
        probabilities: softmax outputs, each row sums to 1.
    """

    filenames: tuple[str, ...]
    labels: Int[np.ndarray, " n"]
    probabilities: Float32[np.ndarray, "n k"]


def read_run(path: Path) -> Run:
    """Reads and checks the run at `path`.

    Raises:
        UserError: the directory is missing, is no run, holds an unfinished run, or one of its
            files is damaged or lacks a field.
    """
    if not path.is_dir():
        raise UserError(
            f"run directory {path} does not exist; give the working directory of a finished run"
        )
    if not (path / "config.json").is_file():
        raise UserError(
            f"{path} is not a run directory: it holds no config.json; "
            "give the working directory of a finished run"
        )
    if not (path / "results.json").is_file():
        raise UserError(
            f"the run at {path} is not finished: it holds no results.json, which is written last; "
            "start it again with the same config and it resumes"
        )
    files = {name: _read_json(path / name) for name in _SCHEMAS}
    run = Run(
        path=path,
        config=files["config.json"],
        environment=files["environment.json"],
        dataset=files["dataset.json"],
        results=files["results.json"],
    )
    _check_classes(run)
    return run


def read_predictions(run: Run) -> Predictions:
    """Reads predictions.npz of `run`.

    Raises:
        UserError: the file is missing, damaged, or disagrees with results.json.
    """
    path = run.path / "predictions.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            filenames, labels, probabilities = (
                file[name] for name in ("filename", "label", "probabilities")
            )
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {_REPEAT}") from None
    except KeyError as error:
        raise UserError(f"{path} lacks an array: {error.args[0]}; {_REPEAT}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({error}); {_REPEAT}") from None
    shape = (run.results["num_test"], len(run.results["classes"]))
    if probabilities.shape != shape or {labels.shape, filenames.shape} != {shape[:1]}:
        raise UserError(
            f"{path} holds {filenames.shape} file names, {labels.shape} labels and "
            f"{probabilities.shape} probabilities, but results.json states {shape[0]} test images "
            f"of {shape[1]} classes; {_REPEAT}"
        )
    return Predictions(tuple(map(str, filenames)), labels, probabilities)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {_REPEAT}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: it is not valid JSON ({error}); {_REPEAT}") from None
    _check(content, _SCHEMAS[path.name], path, "")
    return content


def _check(value: Any, schema: Any, path: Path, field: str) -> None:
    """Walks `value` along `schema`; the first disagreement is raised with its dotted name."""
    if isinstance(schema, list):
        _check_type(value, list, path, field)
        for index, item in enumerate(value):
            _check(item, schema[0], path, f"{field}[{index}]")
    elif isinstance(schema, Mapping):
        _check_type(value, dict, path, field)
        names = value if "*" in schema else schema
        for name in names:
            where = f"{field}.{name}" if field else name
            if name not in value:
                raise UserError(f"{path} lacks the field {where!r}; {_REPEAT}")
            _check(value[name], schema.get("*", schema.get(name)), path, where)
    else:
        _check_type(value, schema, path, field)


def _check_type(value: Any, expected: Any, path: Path, field: str) -> None:
    # bool is an int to Python, yet `true` is no count.
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not object):
        kinds = expected if isinstance(expected, tuple) else (expected,)
        allowed = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        where = f"the field {field!r}" if field else "its content"
        raise UserError(f"{path}: {where} is {value!r:.60}, must be {allowed}; {_REPEAT}")


def _check_classes(run: Run) -> None:
    """Checks what spans several fields, so that no table is cut short or misaligned silently."""
    path, results = run.path / "results.json", run.results
    count = len(results["classes"])
    matrix = results["test"]["confusion_matrix"]
    if count == 0 or len(matrix) != count or any(len(row) != count for row in matrix):
        raise UserError(
            f"{path}: 'test.confusion_matrix' must have one row and one column for each of the "
            f"{count} classes; {_REPEAT}"
        )
    if missing := [name for name in results["classes"] if name not in results["test"]["per_class"]]:
        raise UserError(f"{path} lacks the field 'test.per_class.{missing[0]}'; {_REPEAT}")
    if not results["epochs"]:
        raise UserError(f"{path}: 'epochs' is empty, at least one is needed; {_REPEAT}")
