"""A detector's run as figures and one page.

write_detection_report(Path("runs/detector-bccd-seed0"), drawn)       # -> .../report.html
"""

from collections.abc import Mapping
from pathlib import Path

from wbc_jax.atomic_files import write_text
from wbc_jax.reporting import pages
from wbc_jax.reporting.figure_files import save_figure
from wbc_jax.reporting.number_text import interval, number, percent
from wbc_jax.reporting.report import MOST_LEFT_OUT, as_text, command_line
from wbc_jax.reporting.report_figures import Drawn
from wbc_jax.reporting.run_files import Run, read_detector_run

# Key in results.json, name, whether it is a share.
FIGURES = (
    ("f1", "F1", True),
    ("precision", "Precision", True),
    ("recall", "Recall", True),
    ("count_mae", "Count error, mean absolute (cells per picture)", False),
    ("count_bias", "Count error, mean (cells per picture)", False),
)


def write_detection_report(workdir: Path, drawn: Mapping[str, Drawn]) -> Path:
    """Writes `figures/*.svg`, `figures/*.png` and `report.html` into a finished run's directory.

    Args:
        workdir: the run's directory, results.json in it.
        drawn: its figures by name.

    Returns:
        The path of report.html.

    Raises:
        UserError: the run's files are missing, damaged or unfinished.
    """
    run = read_detector_run(workdir)
    page = pages.render(
        "detection_report.html",
        run=run,
        figures={
            name: save_figure(one.figure, workdir / "figures", name, alt=one.alt)
            for name, one in drawn.items()
        },
        rows=figure_rows(run),
        config=as_text(run.config),
        environment=as_text(run.environment),
        most_left_out=MOST_LEFT_OUT,
        command=command_line(run.environment.get("command")),
    )
    path = workdir / "report.html"
    write_text(path, page)
    return path


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
