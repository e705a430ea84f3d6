"""Time and memory against each factor, as a figure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.plot_axes import log_scale
from wbc_jax.reporting.figure_style import BLUE, GREY, VERMILLION, new_figure, styled

_LABELS = {
    "images": "Images per epoch",
    "batch_size": "Images per step",
    "image_size": "Image side (pixels)",
    "devices": "CPU devices",
}
# What a factor alone would do to the time, if nothing but the number of operations counted.
_EXPECTED: dict[str, Callable[[float], float]] = {
    "images": lambda ratio: ratio,
    "batch_size": lambda ratio: 1.0,
    "image_size": lambda ratio: ratio**2,
    "devices": lambda ratio: 1.0,
}


@styled
def scaling_figure(series: Mapping[str, Sequence[dict[str, Any]]], *, title: str) -> Figure:
    """Draws an epoch's time above and the process' largest memory below, one column per factor.

    Args:
        series: points of each factor, as `benchmarks.scaling.measure` returns them.
        title: what they were measured on.
    """
    figure = new_figure(2.2 * len(series) + 0.6, 5.0)
    panels = figure.subplots(2, len(series), sharex="col", sharey="row", squeeze=False)
    for (above, below), (factor, points) in zip(panels.T, series.items(), strict=True):
        values = np.array([point[factor] for point in points])
        seconds = [point["seconds"] for point in points]
        expected = [seconds[0] * _EXPECTED[factor](value / values[0]) for value in values]
        above.plot(values, expected, color=GREY, linestyle="--", label="in proportion to the work")
        above.plot(values, seconds, color=BLUE, marker="o", label="measured")
        before = [point["mebibytes_before_training"] for point in points]
        peak = [point["peak_mebibytes"] for point in points]
        below.plot(values, before, color=GREY, linestyle="--", label="before the first step")
        below.plot(values, peak, color=VERMILLION, marker="s", label="in all")
        below.set_xlabel(_LABELS[factor])
        _label_values(below, values)
    log_scale(panels[0, 0])
    panels[0, 0].set_ylabel("Epoch (s)")
    panels[1, 0].set_ylabel("Largest resident set (MiB)")
    panels[1, 0].set_ylim(bottom=0)
    panels[0, -1].legend(loc="upper right")
    panels[1, -1].legend(loc="lower right")
    figure.suptitle(title)
    return figure


def _label_values(axes: Axes, values: Sequence[int] | np.ndarray) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(values)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
