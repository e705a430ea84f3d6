"""A detector's run as figures and one page.

run = read_detector_run(Path("runs/detector-bccd-seed0"))
write_detection_report(run, drawn)                     # -> .../report.html
"""

from collections.abc import Mapping
from pathlib import Path

from wbc_jax.reporting.detector_summary import FIGURES
from wbc_jax.reporting.number_text import interval, number, percent
from wbc_jax.reporting.report_figures import Drawn
from wbc_jax.reporting.run_files import Run
from wbc_jax.reporting.run_page import write_run_page


def write_detection_report(run: Run, drawn: Mapping[str, Drawn]) -> Path:
    """Writes `figures/*.svg`, `figures/*.png` and `report.html` into a run's directory.

    Args:
        run: finished or about to.
        drawn: its figures by name.

    Returns:
        The path of report.html.
    """
    return write_run_page(run, "detection_report.html", drawn, rows=figure_rows(run))


def figure_rows(run: Run) -> list[list[str]]:
    """Returns a table's rows: a figure's name, then value and interval of every kind."""
    test = run.results["test"]
    rows = []
    for key, name, is_share in FIGURES:
        cells = [name]
        for kind, values in test["per_kind"].items():
            cells.append(percent(values[key]) if is_share else number(values[key], 2))
            cells.append(interval(test["intervals"]["per_kind"][kind][key], is_share=is_share))
        rows.append(cells)
    return rows
