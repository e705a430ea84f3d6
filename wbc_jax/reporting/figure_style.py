"""How every figure looks: colours that all readers tell apart, thin lines, no decoration."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from wbc_jax.reporting.colours import BLACK as BLACK
from wbc_jax.reporting.colours import BLUE as BLUE
from wbc_jax.reporting.colours import COLOURS as COLOURS
from wbc_jax.reporting.colours import GREEN as GREEN
from wbc_jax.reporting.colours import GREY as GREY
from wbc_jax.reporting.colours import VERMILLION as VERMILLION

# Cycle lengths without a common factor: the first 56 series all look different.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")

STYLE: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same picture on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.7,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "svg.hashsalt": "wbc_jax",
}

# Decorates every function that builds a figure; the style ends with the call.
styled = matplotlib.rc_context(STYLE)


def plain_text(text: str) -> str:
    """Returns `text` such that matplotlib shows its dollar signs and reads no mathematics in it."""
    return text.replace("$", r"\$")


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure of `width` x `height` inches with its own Agg canvas."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def epoch_axis(axes: Axes, label: str, *, is_accuracy: bool) -> None:
    """Integer epochs from left to right; accuracies end at 100 %, losses begin at 0."""
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=10, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    axes.set_xlim(left=min(1.0, axes.dataLim.xmin) - 0.02 * axes.dataLim.width)  # no epoch 0
    axes.set_ylabel(label + unit(is_accuracy))
    if is_accuracy:
        lowest = axes.dataLim.ymin if np.isfinite(axes.dataLim.ymin) else 0.0
        # A little room below the lowest point; never less than ten points of accuracy in all.
        axes.set_ylim(max(0, min(0.9, np.floor(lowest * 10 - 0.1) / 10)), 1)
        in_percent(axes.yaxis)
    else:
        axes.set_ylim(bottom=0)


def in_percent(axis: Axis) -> None:
    """Labels fractions as percents with no more decimals than a tick has.

    The sign stands in the axis's own label.
    """
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}"))


def show_pixels(axes: Axes, image: UInt8[np.ndarray, "h w c"]) -> None:
    """Shows an image as the network sees it: 0 to 255, one channel (gray) or three (RGB)."""
    shown = image[..., 0] if image.shape[-1] == 1 else image
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def number_corner(axes: Axes, number: int, *, fontsize: int) -> None:
    """Writes a number into an image's upper left corner, on white."""
    axes.text(
        0.04,
        0.95,
        str(number),
        transform=axes.transAxes,
        va="top",
        fontsize=fontsize,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": fontsize / 5},
    )


def marked(points: Sequence[Any], *, offset: int) -> tuple[int, int]:
    """Returns which points of a line get a marker: about ten, shifted from line to line."""
    step = max(1, len(points) // 10)
    return offset % step, step


def unit(is_accuracy: bool) -> str:
    """Returns the end of an axis label: accuracies are shown in per cent, losses in nats."""
    return " (%)" if is_accuracy else " (nats)"
