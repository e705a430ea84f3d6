"""Fills the page templates: one file, everything inside it, nothing fetched from anywhere.

Every value is escaped: a class called `<script>` is shown, not run. The pages' own
Content-Security-Policy forbids scripts and every outside request besides.
"""

import base64
import math
from typing import Any

import jinja2

from wbc_jax.reporting import figure_style
from wbc_jax.reporting.figure_files import SavedFigure

# Says "not defined" or "the paper is silent" in every table.
NO_VALUE = "–"


def render(template: str, **values: Any) -> str:
    """Returns the page `templates/<template>` filled with `values`; a missing value raises."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wbc_jax.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        percent=percent, number=number, duration=duration, grouped=grouped, data_uri=data_uri
    )
    return environment.get_template(template).render(**values)


def percent(fraction: float | None, decimals: int = 1) -> str:
    """Returns 0.994 as "99.4 %"."""
    if fraction is None or math.isnan(fraction):
        return NO_VALUE
    return figure_style.percent(fraction, decimals=decimals)


def number(value: float | None, decimals: int = 4) -> str:
    """Returns a loss or another plain number with fixed decimals."""
    return NO_VALUE if value is None or math.isnan(value) else f"{value:.{decimals}f}"


def duration(seconds: float | None) -> str:
    """Returns a time as "8.2 s", "3 min 20 s" or "2 h 05 min"."""
    if seconds is None or math.isnan(seconds):
        return NO_VALUE
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def grouped(value: float | None) -> str:
    """Returns a count with thousands set apart: 23,534,592."""
    return NO_VALUE if value is None or math.isnan(value) else f"{round(value):,}"


def data_uri(figure: SavedFigure, kind: str = "svg") -> str:
    """Returns a figure as the `data:` address of an <img>.

    An image of its own rather than inline <svg>: the ids inside several figures would collide.
    """
    content, media = (figure.svg, "svg+xml") if kind == "svg" else (figure.png, "png")
    return f"data:image/{media};base64,{base64.b64encode(content).decode('ascii')}"
