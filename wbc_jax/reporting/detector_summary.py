"""The last lines in the terminal of a detector's run, as plain text.

print(detector_summary(results, workdir))
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wbc_jax.reporting.number_text import interval, number, percent

# Key in results.json, name, whether it is a share.
FIGURES = (
    ("f1", "F1", True),
    ("precision", "Precision", True),
    ("recall", "Recall", True),
    ("count_mae", "Count error, mean absolute (cells per picture)", False),
    ("count_bias", "Count error, mean (cells per picture)", False),
)
_WIDTH = max(len(name) for _, name, _ in FIGURES)


def detector_summary(results: Mapping[str, Any], workdir: Path) -> str:
    """Returns a detector's finished run in a few lines.

    Args:
        results: content of `results.json`.
        workdir: the run's directory.
    """
    test = results["test"]
    kinds, intervals = test["per_kind"], test["intervals"]
    lines = [
        "",
        f"{results['model']} on {results['dataset']}, protocol {results['protocol']}, seed "
        f"{results['seed']}: {results['num_params']:,} parameters, {len(results['epochs'])} epochs",
        *(f"  ! {warning}" for warning in results["warnings"]),
        f"  test: {results['num_test']:,} pictures of {intervals['num_scenes']:,} places; "
        + ", ".join(f"{kind}: {kinds[kind]['support']:,} cells" for kind in kinds),
    ]
    for key, name, is_share in FIGURES:
        cells = []
        for kind, figures in kinds.items():
            value = percent(figures[key], 2) if is_share else number(figures[key], 2)
            ends = interval(intervals["per_kind"][kind][key], is_share=is_share)
            cells.append(f"{kind} {value:>7} {ends:<16}")
        lines.append(f"  {name:<{_WIDTH}} {' '.join(cells)}".rstrip())
    with_red = test["with_red_cells"]
    if with_red["num_pictures"] not in (0, results["num_test"]):
        red = with_red["per_kind"]["RBC"]
        lines.append(
            f"  RBC on the {with_red['num_pictures']:,} pictures in which any is annotated: F1 "
            f"{percent(red['f1'], 2)}, count error {number(red['count_mae'], 2)} mean absolute, "
            f"{number(red['count_bias'], 2)} mean"
        )
    return "\n".join(
        [
            *lines,
            f"  [95 % interval: {intervals['method']}]",
            f"  training {results['images_per_second']:,.0f} images/s, wall time "
            f"{results['wall_seconds']:,.0f} s",
            f"report: {workdir / 'report.html'}",
            f"curves: tensorboard --logdir {workdir.parent}",
        ]
    )
