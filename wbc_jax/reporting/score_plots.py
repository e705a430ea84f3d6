"""Figures of how a test was answered: can the probabilities be believed, are classes told apart.

    figure = reliability_diagram(results["test"]["reliability"], titles, title="CNN, test")
    figure = roc_curves({"images": (labels, probabilities, auroc)}, classes, title="CNN, test")

Plain dicts and arrays in, matplotlib Figures out, as in `plots`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wbc_jax.reporting.figure_style import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    LINES,
    VERMILLION,
    in_percent,
    new_figure,
    plain_text,
    styled,
)
from wbc_jax.reporting.number_text import number

_FEW = 10  # images in a bin, whose share right says little
# Labels, probabilities and areas under the curves of one panel.
Panel = tuple[Int[np.ndarray, " _"], Float[np.ndarray, "_ k"], Mapping[str, float | None]]


@styled
def reliability_diagram(
    reliability: Mapping[str, Mapping[str, Sequence[float | None]] | None],
    headings: Mapping[str, str],
    *,
    title: str,
) -> Figure:
    """Draws how often answers of each confidence are right, and how many answers there are of it.

    Args:
        reliability: as in results.json: `raw` and, where a temperature was fitted, `scaled`; each
            with `counts`, `confidence` and `accuracy` per bin of equal width.
        headings: what stands over each of them.
        title: what was tested.
    """
    panels = {name: bins for name, bins in reliability.items() if bins is not None}
    figure = new_figure(max(5.4, 3.6 * len(panels) + 0.4), 4.2)
    grid = figure.subplots(
        2,
        len(panels),
        squeeze=False,
        sharex=True,
        sharey="row",
        height_ratios=(3, 1),
    )
    for (name, bins), upper, lower in zip(panels.items(), *grid, strict=True):
        counts = np.array(bins["counts"])
        edges = np.linspace(0, 1, counts.size + 1)
        middles, width = (edges[:-1] + edges[1:]) / 2, 1 / counts.size
        confidence, accuracy = (
            np.array(bins[name], np.float64) for name in ("confidence", "accuracy")
        )
        upper.bar(
            middles, accuracy, width, color=BLUE, edgecolor="white", label="accuracy in the bin"
        )
        few = counts < _FEW
        look: dict[str, Any] = {"color": "white", "edgecolor": BLUE, "hatch": "////"}
        label = f"the same of fewer than {_FEW} images"
        upper.bar(middles[few], accuracy[few], width, label=label, **look)
        label = "at its mean confidence"
        upper.plot(confidence, accuracy, "o", color=VERMILLION, ms=4, label=label, clip_on=False)
        upper.plot((0, 1), (0, 1), "--", color=BLACK, linewidth=1, label="confidence = accuracy")
        upper.set_title(plain_text(headings[name]), fontsize=9)
        lower.bar(middles, counts / max(counts.sum(), 1), width, color=GREY, edgecolor="white")
        lower.set_xlabel("Confidence: probability of the answer (%)")
        _share_axes(upper)
    grid[0, 0].set_ylabel("Accuracy (%)")
    grid[1, 0].set_ylabel("Images (%)")
    in_percent(grid[1, 0].yaxis)
    figure.suptitle(plain_text(title), fontsize=10)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@styled
def roc_curves(panels: Mapping[str, Panel], classes: Sequence[str], *, title: str) -> Figure:
    """Draws each class's ROC curve against all others, with the area under it.

    Args:
        panels: for each heading the labels, the probabilities and the areas by class; a class that
            all examples or none are of has no curve.
        classes: names in label order.
        title: what was tested.
    """
    from sklearn.metrics import roc_curve  # a second of import that only this figure needs

    # A title of several lines needs room of its own: axes of a fixed aspect give none.
    figure = new_figure(3.4 * len(panels) + 0.4, 3.9 + 0.3 * title.count("\n"))
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (heading, (labels, probabilities, auroc)) in zip(grid, panels.items(), strict=True):
        for index, name in enumerate(classes):
            is_class = labels == index
            if is_class.all() or not is_class.any():
                continue
            look: dict[str, Any] = {
                "color": COLOURS[index % len(COLOURS)],
                "linestyle": LINES[index % len(LINES)],
            }
            false, true, _ = roc_curve(is_class, probabilities[:, index])
            label = f"{plain_text(name)}: {number(auroc[name], 3)}"
            axes.plot(false, true, label=label, clip_on=False, **look)
        axes.plot((0, 1), (0, 1), color=GREY, linestyle=(0, (1, 2)), linewidth=1)
        axes.set_title(plain_text(heading), fontsize=9)
        axes.set_xlabel("False positives (% of the others)")
        _share_axes(axes)
        axes.set_aspect("equal")
        # Where curves of use do not go; on white, as those of small sets may.
        axes.legend(title="AUROC", title_fontsize=8, loc="lower right", frameon=True, framealpha=1)
    grid[0].set_ylabel("True positives (% of the class)")
    figure.suptitle(plain_text(title), fontsize=10)
    return figure


def _share_axes(axes: Axes) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(np.linspace(0, 1, 6))
        in_percent(axis)
