"""The last lines in the terminal, as plain text.

print(run_summary(results, workdir))
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wbc_jax.reporting import leaky
from wbc_jax.reporting.detector_summary import detector_summary
from wbc_jax.reporting.number_text import interval
from wbc_jax.text_table import text_table

_PARTS = ("train", "validation", "test")
# Key in results.json, name, whether it is shown in per cent.
_FIGURES = (
    ("categorical_accuracy", "categorical accuracy", True),
    ("binary_accuracy", "binary accuracy", True),
    ("balanced_accuracy", "balanced accuracy", True),
    ("macro_f1", "macro F1", False),
    ("mcc", "MCC", False),
    ("ece", "calibration error", True),
    ("binary_cross_entropy", "binary cross-entropy", False),
)


def run_summary(results: Mapping[str, Any], workdir: Path) -> str:
    """Returns a finished run in a few lines, a leaky protocol in the first of them.

    Args:
        results: content of `results.json`.
        workdir: the run's directory.
    """
    if results.get("task") == "detection":
        return detector_summary(results, workdir)
    intervals = results["intervals"]
    mark = f"{leaky.MARK}: " if results["is_leaky"] else ""
    heading = f"{results['model']} on {results['dataset']}, protocol {results['protocol']}"
    lines = [f"{leaky.MARK} {results['protocol']}: {leaky.WORDS}"] if results["is_leaky"] else []
    lines += [
        "",
        f"{mark}{heading}, seed {results['seed']}: "
        f"{results['num_params']:,} parameters, {len(results['epochs'])} epochs",
        *(f"  ! {warning}" for warning in results["warnings"]),
        _line(
            "test", f"{results['num_test']:,}", "images", f"{intervals['num_smears']:,}", "smears"
        ),
        *(_figure_line(results, *figure) for figure in _FIGURES),
        f"  [95 % interval: {intervals['method']}]",
        *(f"  ! {note}" for note in intervals["notes"]),
        _line("training", f"{results['images_per_second']:,.0f}", "images/s"),
        _line("wall time", f"{results['wall_seconds']:,.0f}", "s"),
        f"report: {workdir / 'report.html'}",
        f"curves: tensorboard --logdir {workdir.parent}",
    ]
    return "\n".join(lines)


def data_summary(dataset: Mapping[str, Any]) -> str:
    """Returns which images a protocol trains, validates and tests on, and of how many smears.

    Args:
        dataset: content of `dataset.json`.
    """
    lines = [
        f"{dataset['dataset']} {dataset['version']}: {dataset['title']}",
        f"protocol {dataset['protocol']}: {dataset['protocol_description']}",
        *(f"  ! {warning}" for warning in dataset["warnings"]),
        _counts_table(dataset),
        f"  smears in more than one part: {dataset['num_smears_on_two_sides']}",
    ]
    if dataset["num_unresolved"]:
        lines.append(
            f"  images of unknown smears, counted in no smear: {dataset['num_unresolved']}"
        )
    if dataset.get("num_left_out"):
        lines.append(
            f"  images of these splits in no part: {dataset['num_left_out']:,} (other classes, "
            "unknown smears, places of another part, or what the protocol does not take)"
        )
    return "\n".join(lines)


def _counts_table(dataset: Mapping[str, Any]) -> str:
    """Returns images and smears of each part, by class and of all."""
    rows = []
    for name in dataset["classes"]:
        counts = (
            (dataset[f"{part}_class_counts"][name], dataset["smears"][part][name])
            for part in _PARTS
        )
        rows.append([name, *(f"{count:,}" for pair in counts for count in pair)])
    totals = ((dataset[f"num_{part}"], dataset["all_smears"][part]) for part in _PARTS)
    return text_table(
        ["class", *(head for part in _PARTS for head in (part, "smears"))],
        rows,
        total=[
            "all" if dataset["counted"] == "images" else "pictures",
            *(f"{count:,}" for pair in totals for count in pair),
        ],
        indent="  ",
    )


def _figure_line(results: Mapping[str, Any], key: str, name: str, is_share: bool) -> str:
    cells = []
    for part, level in (("test", "image"), ("test_smears", "smear")):
        value = results[part][key]
        cells.append(f"{value:.2%}" if is_share else f"{value:.4f}")
        cells.append(interval(results["intervals"][level][key], is_share=is_share))
    return _line(name, *cells)


def _line(name: str, *cells: str) -> str:
    """Returns a name and up to two pairs of a value and what belongs to it, in columns."""
    widths = (">9", "<16", ">9", "<16")
    shown = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=False))
    return f"  {name:<22}{' '.join(shown)}".rstrip()
