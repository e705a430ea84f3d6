"""The figures of a test as a reader sees them: of images and of smears, each with its interval.

for row in score_rows(results):
    print(row.title, row.image, row.image_interval, row.smear, row.smear_interval)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wbc_jax.reporting.number_text import interval, number, percent


@dataclass(frozen=True)
class Figure:
    """One figure of a test.

    Attributes:
        key: its dotted name in `results.json`, below `test` and below `intervals.image`.
        title: its name for a reader.
        meaning: half a sentence.
        is_share: shown in per cent; else as a number of three decimals.
    """

    key: str
    title: str
    meaning: str
    is_share: bool = False


FIGURES = (
    Figure(
        "categorical_accuracy",
        "Categorical accuracy",
        "share whose most probable class is the true one",
        is_share=True,
    ),
    Figure(
        "balanced_accuracy",
        "Balanced accuracy",
        "mean of the classes' recalls; every class counts the same",
        is_share=True,
    ),
    Figure("macro_f1", "Macro F1", "mean of the classes' F1 scores", is_share=True),
    Figure("mcc", "MCC", "Matthews' correlation of truth and answer; 0 by chance, 1 at best"),
    Figure(
        "auroc.macro",
        "AUROC, mean of the classes",
        "how often an image of a class scores above one of another class; 0.5 by chance, 1 at best",
    ),
    Figure("brier", "Brier score", "squared error of the probabilities; 0 at best, 2 at worst"),
    Figure(
        "ece",
        "Calibration error (ECE), raw",
        "mean distance of confidence and accuracy; small sets make it larger, so its interval may "
        "lie above it",
        is_share=True,
    ),
    Figure(
        "ece_scaled",
        "Calibration error (ECE), scaled",
        "the same after temperature scaling on the validation images",
        is_share=True,
    ),
    Figure(
        "binary_accuracy",
        "Binary accuracy",
        "share of all outputs on the right side of 0.5; not the share classified correctly",
        is_share=True,
    ),
    Figure("binary_cross_entropy", "Binary cross-entropy", "nats per output; the paper's “loss”"),
    Figure("softmax_cross_entropy", "Softmax cross-entropy", "nats per image or smear"),
)
CLASS_FIGURES = (
    Figure("precision", "Precision", "of those given this answer, how many are right", True),
    Figure("recall", "Recall", "of those of this class, how many were found", True),
    Figure("f1", "F1", "the harmonic mean of both", True),
)


@dataclass(frozen=True)
class Row:
    """One figure, written out; a dash where it is not defined.

    Attributes:
        title: its name.
        meaning: half a sentence.
        image: over the test images.
        image_interval: "[low, high]".
        smear: over the test smears, each one's probabilities being the mean over its copies.
        smear_interval: "[low, high]".
    """

    title: str
    meaning: str
    image: str
    image_interval: str
    smear: str
    smear_interval: str


def score_rows(results: Mapping[str, Any]) -> list[Row]:
    """Returns every figure of a test with its intervals.

    Args:
        results: content of `results.json`.
    """
    image, smear = results["intervals"]["image"], results["intervals"]["smear"]
    return [
        Row(
            figure.title,
            figure.meaning,
            *_shown(results["test"], image, figure.key, figure.is_share),
            *_shown(results["test_smears"], smear, figure.key, figure.is_share),
        )
        for figure in FIGURES
    ]


def class_rows(results: Mapping[str, Any], level: str) -> list[list[str]]:
    """Returns, per class: name, precision, recall, F1, AUROC with intervals, and the count.

    Args:
        results: content of `results.json`.
        level: "image" or "smear".
    """
    test = results["test" if level == "image" else "test_smears"]
    intervals, rows = results["intervals"][level], []
    for name in results["classes"]:
        values, ends = test["per_class"][name], intervals["per_class"][name]
        cells = [_shown(values, ends, figure.key, figure.is_share) for figure in CLASS_FIGURES]
        cells.append(_shown(test["auroc"], intervals["auroc"], name, False, nested=False))
        count = f"{values['support']:,}"
        rows.append([name, *(f"{value} {_if_wide(ends)}".strip() for value, ends in cells), count])
    return rows


def _if_wide(ends: str) -> str:
    """Leaves out an interval without width: so few smears, all or none right, cannot show any."""
    low, _, high = ends.strip("[]").partition(", ")
    return "" if low == high else ends


def _shown(
    values: Mapping[str, Any],
    intervals: Mapping[str, Any],
    key: str,
    is_share: bool,
    *,
    nested: bool = True,
) -> tuple[str, str]:
    path = key.split(".") if nested else [key]
    for name in path[:-1]:
        values, intervals = values[name], intervals[name]
    show: Callable[[float | None], str] = percent if is_share else lambda value: number(value, 3)
    return show(values[path[-1]]), interval(intervals.get(path[-1]), is_share=is_share)
