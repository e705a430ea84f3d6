"""Which fields the files of a run must hold, and the message for the first that does not fit.

check(content, SCHEMAS["classification"]["results.json"], path)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wbc_jax import run_names
from wbc_jax.datasets.catalog import CELL_KINDS
from wbc_jax.errors import UserError
from wbc_jax.reporting.epochs import METRIC_NAMES

FOUND_FIGURES = ("precision", "recall", "f1", "count_mae", "count_bias")  # of each kind of cell
REPEAT = "move the run's folder away and run it again with the same config"

# A schema is a type, {field: schema}, [schema of every item] or {"*": schema of every value}. A
# field whose name here ends with a question mark may be absent or null. A number may be null,
# which is how a canonical JSON file writes "not defined".
_Number = (int, float, type(None))
_EPOCH_METRICS = dict.fromkeys(METRIC_NAMES, _Number)
_CLASS_METRICS = {"precision": _Number, "recall": _Number, "f1": _Number}
_BINS = {"counts": [int], "confidence": [_Number], "accuracy": [_Number]}
_TEST = {
    **_EPOCH_METRICS,
    "macro_f1": _Number,
    "balanced_accuracy": _Number,
    "mcc": _Number,
    "per_class": {"*": {**_CLASS_METRICS, "support": int}},
    "confusion_matrix": [[int]],
    "auroc": {"*": _Number, "macro": _Number},
    "brier": _Number,
    "ece": _Number,
    "ece_scaled": _Number,
    "temperature": _Number,
    "reliability": {"raw": _BINS, "scaled?": _BINS},
    "num_smears": int,
    "num_smears_per_class": {"*": int},
}
_ENDS = [_Number]
_INTERVALS = {
    **dict.fromkeys(_EPOCH_METRICS, _ENDS),
    **dict.fromkeys(("macro_f1", "balanced_accuracy", "mcc", "brier", "ece"), _ENDS),
    "ece_scaled?": _ENDS,
    "auroc": {"*": _ENDS, "macro": _ENDS},
    "per_class": {"*": dict.fromkeys(_CLASS_METRICS, _ENDS)},
}
_SELECTIVE = {
    "coverage": _Number,
    "risk": _Number,
    "curve": {"coverage": [_Number], "risk": [_Number]},
}
_OF_CLASSIFIERS: dict[str, Any] = {
    run_names.CONFIG: {"*": object},
    run_names.ENVIRONMENT: {"*": object},
    run_names.DATASET: {
        "dataset": str,
        "title": str,
        "version": str,
        "protocol": str,
        "protocol_description": str,
        "splits": {"*": {"num_examples": int, "digest": str}},
        "classes": [str],
        "train_class_counts": {"*": int},
        "validation_class_counts": {"*": int},
        "test_class_counts": {"*": int},
        "smears": {
            "*": {"*": int},
            "train": {"*": int},
            "validation": {"*": int},
            "test": {"*": int},
        },
        "counted?": str,
        "all_smears?": {"train": int, "validation": int, "test": int},
        "num_smears_on_two_sides": int,
        "num_scenes_on_two_sides?": int,
        "num_left_out?": int,
        "num_unresolved": int,
        "bad_images?": [{"file": str, "reason": str}],
        "warnings": [str],
    },
    run_names.RESULTS: {
        "model": str,
        "dataset": str,
        "protocol": str,
        "is_leaky": bool,
        "warnings": [str],
        "seed": int,
        "num_train": int,
        "num_validation": int,
        "num_test": int,
        "classes": [str],
        "epochs": [
            {
                "epoch": int,
                "seconds": _Number,
                "train": _EPOCH_METRICS,
                "train_at_rest?": _EPOCH_METRICS,
                "validation?": _EPOCH_METRICS,
                "test": _EPOCH_METRICS,
            }
        ],
        "band_statistics?": {"mean": [_Number], "deviation": [_Number]},
        "validation?": _EPOCH_METRICS,
        "selective?": {
            "target_risk": _Number,
            "sureness": _Number,
            "least_coverage": _Number,
            "num_smears": int,
            "threshold": _Number,
            "validation": _SELECTIVE,
            "test": _SELECTIVE,
        },
        "test": _TEST,
        "test_smears": _TEST,
        "intervals": {
            "method": str,
            "confidence": _Number,
            "resamples": int,
            "seed": int,
            "num_smears": int,
            "notes": [str],
            "image": _INTERVALS,
            "smear": _INTERVALS,
        },
        "num_params": int,
        "wall_seconds": _Number,
        "images_per_second": _Number,
    },
}


_FOUND = {
    **dict.fromkeys(FOUND_FIGURES, _Number),
    "support": int,
    "found": int,
    "count_limits": [_Number],
}
_RESULTS = _OF_CLASSIFIERS[run_names.RESULTS]
_OF_EVERY_TASK = (
    *("model", "dataset", "protocol", "is_leaky", "warnings", "seed"),
    *("num_train", "num_validation", "num_test", "classes"),
    *("num_params", "wall_seconds", "images_per_second"),
)
_OF_DETECTORS: dict[str, Any] = {
    **_OF_CLASSIFIERS,
    run_names.RESULTS: {
        **{name: _RESULTS[name] for name in _OF_EVERY_TASK},
        "task": str,
        "thresholds": dict.fromkeys(CELL_KINDS, (int, float)),
        "band_statistics": _RESULTS["band_statistics?"],
        "epochs": [
            {
                "epoch": int,
                "seconds": _Number,
                "train": {"*": _Number},
                "test": {"*": _Number, **{f"f1_{kind}": _Number for kind in CELL_KINDS}},
            }
        ],
        "test": {
            "per_kind": dict.fromkeys(CELL_KINDS, _FOUND),
            "counts": {"*": {"true": [int], "found": [int]}},
            "radius_curve": {"*": [_Number], "radii": [_Number]},
            "with_red_cells": {"num_pictures": int, "per_kind?": {"*": {"*": _Number}}},
            "sweep": {"*": {"*": [_Number], "thresholds": [_Number]}},
            "intervals": {
                "method": str,
                "confidence": _Number,
                "resamples": int,
                "seed": int,
                "num_scenes": int,
                "per_kind": {"*": {"*": [_Number]}},
            },
        },
    },
}
# By task, by file.
SCHEMAS = {"classification": _OF_CLASSIFIERS, "detection": _OF_DETECTORS}
FILES = tuple(_OF_CLASSIFIERS)


def check(value: Any, schema: Any, path: Path, field: str = "") -> None:
    """Walks `value` along `schema`; the first disagreement is raised with its dotted name.

    Args:
        value: of a JSON file, or of a field in it.
        schema: of a file in `SCHEMAS`, or a part of one.
        path: of the file, for the message.
        field: dotted name of the value; empty for the file's whole content.

    Raises:
        UserError: a field is missing or of another kind.
    """
    if isinstance(schema, list):
        _check_type(value, list, path, field)
        for index, item in enumerate(value):
            check(item, schema[0], path, f"{field}[{index}]")
    elif isinstance(schema, Mapping):
        _check_type(value, dict, path, field)
        _check_fields(value, schema, path, field)
    else:
        _check_type(value, schema, path, field)


def _check_fields(
    value: Mapping[str, Any], schema: Mapping[str, Any], path: Path, field: str
) -> None:
    schemas = dict.fromkeys(value, schema["*"]) if "*" in schema else {}
    for name, expected in schema.items():
        if name.endswith("?"):
            if value.get(name[:-1]) is not None:
                schemas[name[:-1]] = expected
        elif name != "*":
            schemas[name] = expected
    for name, expected in schemas.items():
        where = f"{field}.{name}" if field else name
        if name not in value:
            raise UserError(f"{path} lacks the field {where!r}; {REPEAT}")
        check(value[name], expected, path, where)


def _check_type(value: Any, expected: Any, path: Path, field: str) -> None:
    # bool is an int to Python, yet `true` is no count.
    is_stray_bool = isinstance(value, bool) and expected not in (object, bool)
    if not isinstance(value, expected) or is_stray_bool:
        kinds = expected if isinstance(expected, tuple) else (expected,)
        allowed = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        where = f"the field {field!r}" if field else "its content"
        raise UserError(f"{path}: {where} is {value!r:.60}, must be {allowed}; {REPEAT}")
