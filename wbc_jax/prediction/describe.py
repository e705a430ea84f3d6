"""What was found, as plain values: for the files, the gallery and the terminal.

cells = cells_of(sight, probabilities, certain, classes)
print(say(summary, page))
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from wbc_jax.evaluation.classifier import Classifier
from wbc_jax.prediction.predictor import Sight
from wbc_jax.prediction.records import CSV, DIFFERENTIAL, JSON, UNCERTAIN
from wbc_jax.reporting import leaky
from wbc_jax.reporting.annotation import Mark
from wbc_jax.reporting.number_text import interval, percent
from wbc_jax.seeds.seed_points import KINDS
from wbc_jax.text_table import text_table

_MOST_FOLDERS = 20  # said; all are in differential.csv
_UNCALIBRATED = (
    "The run held nothing out for validation: its probabilities are not calibrated, and no answer "
    "is called uncertain. Train with --config.data.validation_share=0.2 for both."
)


def cells_of(
    sight: Sight,
    probabilities: Float32[np.ndarray, "n k"],
    certain: Bool[np.ndarray, " n"],
    classes: Sequence[str],
) -> list[dict[str, Any]]:
    """Returns the cells of a picture under the names of the columns of predictions.csv.

    Args:
        sight: what was seen in it.
        probabilities: calibrated, of its white cells.
        certain: which of them are answered.
        classes: names in the order of the probabilities.
    """
    cells: list[dict[str, Any]] = []
    answers = iter(zip(probabilities, certain, strict=True))
    for number, (row, column, kind, score) in enumerate(zip(*sight.seeds, strict=True), 1):
        cell = {
            "cell": number,
            "row": round(float(row), 2),
            "column": round(float(column), 2),
            "kind": KINDS[kind],
            "score": None if np.isnan(score) else round(float(score), 4),
        }
        if KINDS[kind] == "WBC":
            shares, is_certain = next(answers)
            best = classes[int(shares.argmax())]
            cell["class"] = best if is_certain else UNCERTAIN
            cell["confidence"] = float(shares.max())
            cell["most_probable"] = best
            cell["probabilities"] = dict(zip(classes, map(float, shares), strict=True))
        cells.append(cell)
    return cells


def marks_of(cells: Sequence[Mapping[str, Any]], sight: Sight) -> list[Mark]:
    """Returns what to draw on the picture."""
    frames = iter(sight.boxes)
    marks = []
    for cell in cells:
        mark = Mark(cell["kind"], cell["row"], cell["column"])
        if "class" in cell:
            words = f"{cell['cell']} {cell['class']} {percent(cell['confidence'])}"
            mark = mark._replace(
                box=next(frames), text=words, is_uncertain=cell["class"] == UNCERTAIN
            )
        marks.append(mark)
    return marks


def describe_run(
    classifier: Classifier,
    *,
    place: Path,
    detector: Path | None,
    single_cells: bool,
    window: int | None,
) -> dict[str, Any]:
    """Returns the first fields of predictions.json: what predicts, and how."""
    run, choice = classifier.run, classifier.selective
    others = ["basophils"] * ("basophil" not in classifier.classes) + ["blasts", "smudge cells"]
    warnings = [
        f"Every white cell is called one of {', '.join(classifier.classes)}; {', '.join(others)} "
        "and artefacts are, too.",
        *(f"Of the images of the run: {text}" for text in run.dataset["warnings"]),
    ]
    if choice is None:
        warnings.append(_UNCALIBRATED)
    elif choice["threshold"] is None:
        warnings.append(
            "On the run's validation images no confidence kept wrong answers below "
            f"{percent(choice['target_risk'], 0)}: every cell is called uncertain."
        )
    elif (risk := choice["test"]["risk"]) and risk > choice["target_risk"]:
        warnings.append(
            f"The confidence asked for was chosen on {choice['num_smears']} validation smears to "
            f"keep wrong answers to {percent(choice['target_risk'], 0)}; on the run's test images "
            f"{percent(risk)} of the answers given were wrong."
        )
    if classifier.settings.view == "whole" and not single_cells:
        warnings.append(
            "The run was trained on whole pictures: where one shows several white cells, each is "
            "answered with the others in sight. A run of data.view=white_cell sees each alone."
        )
    return {
        "purpose": "Research use only, not for diagnosis.",
        "run": {
            "path": str(run.path),
            "step": classifier.step,
            **{name: run.results[name] for name in ("model", "dataset", "protocol", "seed")},
            "is_leaky": run.is_leaky,
        },
        "input": str(place),
        "detector": None if single_cells else str(detector or "classical"),
        "single_cells": single_cells,
        "window": window,
        "classes": list(classifier.classes),
        "temperature": classifier.temperature,
        "confidence": _confidence(choice),
        "warnings": warnings,
    }


def _confidence(choice: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns what an answer needs to be given, and what that was worth on the test images."""
    if choice is None:
        names = ("threshold", "target_risk", "coverage_on_test", "risk_on_test")
        return dict.fromkeys(names)
    return {
        "threshold": choice["threshold"],
        "target_risk": choice["target_risk"],
        "coverage_on_test": choice["test"]["coverage"],
        "risk_on_test": choice["test"]["risk"],
    }


def say(summary: Mapping[str, Any], page: Path) -> str:
    """Returns the last lines in the terminal.

    Args:
        summary: what predictions.json says outside of `images`.
        page: the gallery.
    """
    counts = summary["differential"]
    lines = [leaky.MARK] if summary["run"]["is_leaky"] else []
    found = ", ".join(f"{number:,} {kind}" for kind, number in summary["counts"].items())
    lines.append(f"{summary['num_images']:,} pictures: {found}")
    lines += [f"  ! {warning}" for warning in summary["warnings"]]
    lines += [_by_class(counts), f"  [{counts['method']}]", *_by_folder(summary["folders"])]
    if summary["num_bad_files"]:
        named = len(summary["bad_files"])
        which = "them" if named == summary["num_bad_files"] else f"the first {named:,}"
        lines.append(f"files left out: {summary['num_bad_files']:,}; {JSON} names {which}")
    lines += [
        f"gallery: {page}",
        f"cells: {page.with_name(CSV)}",
        f"folders: {page.with_name(DIFFERENTIAL)}",
        summary["purpose"],
    ]
    return "\n".join(lines)


def _by_class(counts: Mapping[str, Any]) -> str:
    rows = [
        [name, f"{row['count']:,}", percent(row["share"]), interval(row["interval"], is_share=True)]
        for name, row in counts["classes"].items()
    ]
    uncertain = counts["uncertain"]
    last = [UNCERTAIN, f"{uncertain['count']:,}", f"{percent(uncertain['share'])} of all", ""]
    return text_table(["class", "cells", "share", "95 % interval"], [*rows, last], indent="  ")


def _by_folder(folders: Mapping[str, Any]) -> list[str]:
    """Returns a table of the folders' shares; nothing where there is only one."""
    if len(folders) < 2:
        return []
    first = next(iter(folders.values()))
    classes = list(first["differential"]["classes"])
    rows = []
    for folder, found in list(folders.items())[:_MOST_FOLDERS]:
        counts = found["differential"]
        shares = [percent(row["share"]) for row in counts["classes"].values()]
        uncertain = f"{counts['uncertain']['count']:,}"
        rows.append([_shortened(folder, 20), f"{counts['answered']:,}", *shares, uncertain])
    table = text_table(["folder", "answered", *classes, UNCERTAIN], rows, indent="  ")
    more = len(folders) - _MOST_FOLDERS
    return [table] + [f"  {DIFFERENTIAL} has all {len(folders):,} folders"] * (more > 0)


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"…{name[1 - width :]}"
