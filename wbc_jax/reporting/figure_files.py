"""Writes figures, the same to the byte each time."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from wbc_jax.atomic_files import write_bytes
from wbc_jax.reporting.figure_style import STYLE

_PNG_DPI = 200


@dataclass(frozen=True)
class SavedFigure:
    """A figure in both its forms.

    Attributes:
        alt: what the picture shows, in words, for those who cannot see it.
        svg: the SVG file's content.
        png: the PNG file's content.
    """

    alt: str
    svg: bytes
    png: bytes


def save_figure(figure: Figure, folder: Path, name: str, *, alt: str) -> SavedFigure:
    """Writes `folder/name.svg` and `folder/name.png` and returns their content.

    Neither file carries a date, a random id or the writing program's version. The figure's
    layout is final afterwards.
    """
    svg, png = io.BytesIO(), io.BytesIO()
    # The salt and the fonts are looked up while drawing, not when the figure was built.
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # Names in a script that the font lacks are boxes in the figure; pages and tables have them.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        # Laid out once, so that both files show the same picture; with any engine left in place,
        # "none" included, every file is drawn twice.
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
        plain = {"Title": alt, "Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(svg, format="svg", metadata=plain)
        figure.savefig(png, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    saved = SavedFigure(alt=alt, svg=svg.getvalue(), png=png.getvalue())
    write_bytes(folder / f"{name}.svg", saved.svg)
    write_bytes(folder / f"{name}.png", saved.png)
    return saved
