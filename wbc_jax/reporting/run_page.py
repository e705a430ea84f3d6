"""The page of a run of any task: its figures on disk and in the page, and what all runs have.

write_run_page(run, "report.html", drawn, rows=rows)    # -> .../report.html
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wbc_jax import run_names
from wbc_jax.atomic_files import write_text
from wbc_jax.nested import flatten
from wbc_jax.reporting import pages
from wbc_jax.reporting.figure_files import save_figure
from wbc_jax.reporting.report_figures import Drawn
from wbc_jax.reporting.run_files import Run

MOST_LEFT_OUT = 20  # files listed; dataset.json has them all


def write_run_page(run: Run, template: str, drawn: Mapping[str, Drawn], **values: Any) -> Path:
    """Writes `figures/*.svg`, `figures/*.png` and `report.html` into a run's directory.

    Args:
        run: what the directory says.
        template: in `templates/`.
        drawn: the figures by name.
        values: what the template needs beyond the run, its figures and its surroundings.

    Returns:
        The path of report.html.
    """
    page = pages.render(
        template,
        run=run,
        figures={
            name: save_figure(one.figure, run.path / "figures", name, alt=one.alt)
            for name, one in drawn.items()
        },
        config=as_text(run.config),
        environment=as_text(run.environment),
        most_left_out=MOST_LEFT_OUT,
        command=_command_line(run.environment.get("command")),
        **values,
    )
    path = run.path / run_names.REPORT
    write_text(path, page)
    return path


def as_text(fields: Mapping[str, Any]) -> dict[str, str]:
    """Returns nested fields as text under dotted names: {"model.name": "alexnet", ...}."""
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name, value in flatten(fields).items()
    }


def _command_line(recorded: Any) -> str | None:
    """Returns the command as one line that a shell reads back as it was given."""
    if not recorded:
        return None
    return recorded if isinstance(recorded, str) else shlex.join(map(str, recorded))
