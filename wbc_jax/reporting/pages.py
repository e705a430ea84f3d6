"""Fills the page templates: one file, everything inside it, nothing fetched from anywhere.

In HTML every value is escaped: a class called `<script>` is shown, not run. The pages' own
Content-Security-Policy forbids scripts and every outside request besides.
"""

import base64
from functools import partial
from typing import Any

import jinja2

from wbc_jax.reporting.figure_files import SavedFigure
from wbc_jax.reporting.number_text import duration, grouped, interval, number, percent


def render(template: str, **values: Any) -> str:
    """Returns the page `templates/<template>` filled with `values`; a missing value raises."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wbc_jax.reporting"),
        autoescape=jinja2.select_autoescape(),  # Markdown runs in nobody's browser
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        percent=percent,
        number=number,
        duration=duration,
        grouped=grouped,
        interval=partial(interval, is_share=True),
        data_uri=data_uri,
    )
    return environment.get_template(template).render(**values)


def data_uri(figure: SavedFigure, kind: str = "svg") -> str:
    """Returns a figure as the `data:` address of an <img>.

    An image of its own rather than inline <svg>: the ids inside several figures would collide.
    """
    content, media = (figure.svg, "svg+xml") if kind == "svg" else (figure.png, "png")
    return f"data:image/{media};base64,{base64.b64encode(content).decode('ascii')}"
