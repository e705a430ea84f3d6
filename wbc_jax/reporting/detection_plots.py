"""The figures of a detector, from plain dicts to matplotlib Figures.

figure = bland_altman(results["test"], title="Detector on bccd")

Every kind differs in colour, line and marker, so no figure needs colour to be read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import (
    FormatStrFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)

from wbc_jax.reporting.colours import KIND_COLOURS
from wbc_jax.reporting.epochs import Epochs, metric_values
from wbc_jax.reporting.figure_style import (
    BLACK,
    BLUE,
    GREY,
    in_percent,
    new_figure,
    plain_text,
    styled,
)

_LINES = {"RBC": ("-", "o"), "WBC": ("--", "s"), "Platelets": ("-.", "^")}
KIND_LOOKS = {kind: (KIND_COLOURS[kind], *looks) for kind, looks in _LINES.items()}


class Marks(NamedTuple):
    """Points in a picture: a detector's seeds, or the true cells.

    Attributes:
        rows: pixels of the picture.
        columns: the same across.
        kinds: index into the kinds' names.
        radii: of circles, pixels; none for seeds.
    """

    rows: Float32[np.ndarray, " n"]
    columns: Float32[np.ndarray, " n"]
    kinds: Int32[np.ndarray, " n"]
    radii: Float32[np.ndarray, " n"] | None = None


@styled
def detection_curves(epochs: Epochs, loss: str, *, title: str) -> Figure:
    """Draws the loss of train and test, and F1 of every kind, per epoch.

    Args:
        epochs: as in results.json.
        loss: its name in them.
        title: what was trained on what.
    """
    figure = new_figure(8.4, 3.4)
    left, right = figure.subplots(1, 2)
    numbers = [epoch["epoch"] for epoch in epochs]
    for part, colour, line in (
        ("train", GREY, "--"),
        ("validation", BLUE, ":"),
        ("test", BLACK, "-"),
    ):
        if part in epochs[0]:
            left.plot(numbers, metric_values(epochs, part, loss), color=colour, ls=line, label=part)
    left.set(xlabel="Epoch", ylabel="Loss (per cell)", yscale="log")
    left.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    left.yaxis.set_major_formatter(FormatStrFormatter("%g"))  # 0.5, not 5 x 10^-1
    left.yaxis.set_minor_formatter(NullFormatter())
    for kind, (colour, line, _) in KIND_LOOKS.items():
        values = metric_values(epochs, "test", f"f1_{kind}")
        right.plot(numbers, values, color=colour, ls=line, label=f"{kind}, test")
    right.set(xlabel="Epoch", ylabel="F1 (%)", ylim=(0, 1.02))
    in_percent(right.yaxis)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
        axes.legend()
    figure.suptitle(plain_text(title), fontsize=10)
    return figure


@styled
def radius_curves(curve: Mapping[str, Sequence[float]], *, title: str) -> Figure:
    """Draws F1 over how far a seed may be from a cell's centre.

    Args:
        curve: `radii` in units of half the shorter side of a box, and F1 by kind.
        title: what was tested.
    """
    figure = new_figure(4.6, 3.4)
    axes = figure.add_subplot()
    for kind, (colour, line, marker) in KIND_LOOKS.items():
        values = np.array(curve[kind], np.float64)
        axes.plot(curve["radii"], values, color=colour, ls=line, marker=marker, label=kind)
    axes.axvline(1.0, color=GREY, lw=0.8, ls=":")
    axes.set(
        xlabel="Largest distance (half the shorter side of the true box)",
        ylabel="F1 (%)",
        ylim=(0, 1.02),
        xlim=(0, None),
    )
    in_percent(axes.yaxis)
    axes.set_title(plain_text(title))
    axes.legend(loc="lower right")
    return figure


@styled
def precision_recall_curves(
    sweep: Mapping[str, Mapping[str, Sequence[float]]],
    per_kind: Mapping[str, Mapping[str, Any]],
    *,
    title: str,
) -> Figure:
    """Draws precision over recall as the threshold moves; the large mark is the one in use.

    Args:
        sweep: `precision` and `recall` at each threshold, by kind.
        per_kind: the same at the thresholds in use.
        title: what was tested.
    """
    figure = new_figure(4.6, 3.4)
    axes = figure.add_subplot()
    lowest = 0.5
    for kind, (colour, line, marker) in KIND_LOOKS.items():
        recall = np.array(sweep[kind]["recall"], np.float64)
        precision = np.array(sweep[kind]["precision"], np.float64)
        axes.plot(recall, precision, color=colour, ls=line, label=kind)
        used = per_kind[kind]
        axes.plot(used["recall"], used["precision"], color=colour, marker=marker, ms=8)
        place = np.array([used["recall"], used["precision"]], np.float64)
        lowest = float(np.fmin.reduce(place, initial=lowest))
    ends = (lowest - 0.1, 1.01)  # good detectors fill the upper corner; every mark has to be seen
    axes.set(xlabel="Recall (%)", ylabel="Precision (%)", xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        in_percent(axis)
    axes.set_title(plain_text(title))
    axes.legend(loc="lower left")
    return figure


@styled
def bland_altman(test: Mapping[str, Any], *, title: str) -> Figure:
    """Draws found less true cells over their mean, a point per picture, with limits of agreement.

    Args:
        test: `counts` and `per_kind` of the test.
        title: what was tested.

    Source: Bland and Altman (1986).
    """
    figure = new_figure(9.6, 3.2)
    for axes, (kind, (colour, _, marker)) in zip(
        figure.subplots(1, 3), KIND_LOOKS.items(), strict=True
    ):
        true, found = (np.array(test["counts"][kind][name]) for name in ("true", "found"))
        points, number = np.unique(
            np.column_stack([(true + found) / 2, found - true]), axis=0, return_counts=True
        )
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=14 * np.sqrt(number),
            color=colour,
            marker=marker,
            alpha=0.6,
        )
        figures = test["per_kind"][kind]
        low, high = figures["count_limits"]
        axes.axhline(0, color=BLACK, lw=0.6)
        axes.axhline(figures["count_bias"], color=GREY, ls="--", lw=1)
        for limit in (low, high):
            axes.axhline(limit, color=GREY, ls=":", lw=1)
        axes.set(xlabel="Mean of found and true (cells)", ylabel="Found − true (cells)")
        axes.set_title(
            f"{kind}\nbias {figures['count_bias']:+.2f}, limits {low:+.1f} to {high:+.1f}"
        )
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(plain_text(title), fontsize=10)
    return figure


@styled
def picture_sheet(
    images: UInt8[np.ndarray, "n h w 3"],
    seeds: Sequence[Marks],
    cells: Sequence[Marks],
    *,
    rows: int,
    columns: int,
) -> Figure:
    """Draws pictures with a circle on every true cell and a mark on every seed.

    Args:
        images: some pictures, 0 to 255.
        seeds: of each picture.
        cells: of each picture.
        rows: of pictures.
        columns: of pictures.
    """
    height, width = images.shape[1:3]
    figure = new_figure(2.9 * columns, 2.9 * rows * height / width + 0.2)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, axes in enumerate(grid):
        axes.set_axis_off()
        if place < len(images):
            axes.imshow(images[place], interpolation="bilinear")
            _mark(axes, seeds[place], cells[place])
    return figure


def _mark(axes: Axes, seeds: Marks, cells: Marks) -> None:
    looks = list(KIND_LOOKS.values())
    if cells.radii is not None:
        places = zip(cells.rows, cells.columns, cells.kinds, cells.radii, strict=True)
        for row, column, kind, radius in places:
            colour, line, _ = looks[kind]
            axes.add_patch(
                Circle((column, row), radius, fill=False, edgecolor=colour, linewidth=0.8, ls=line)
            )
    for kind, (colour, _, marker) in enumerate(looks):
        of = seeds.kinds == kind
        axes.plot(
            seeds.columns[of],
            seeds.rows[of],
            ls="",
            marker=marker,
            ms=4,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=0.6,
        )
