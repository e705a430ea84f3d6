"""The figures that hold several runs, beside what the paper claims of them.

    figure = compare_curves({"CNN": cnn["epochs"], "AlexNet": alexnet["epochs"]}, "binary_accuracy")

Plain dicts in, matplotlib Figures out, as in `plots`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from wbc_jax.reporting.epochs import METRIC_NAMES, Epochs, metric_values
from wbc_jax.reporting.figure_style import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    epoch_axis,
    in_percent,
    marked,
    new_figure,
    plain_text,
    styled,
    unit,
)
from wbc_jax.reporting.number_text import percent

CHANCE = "same answer to all"


@styled
def compare_curves(
    runs: Mapping[str, Epochs],
    metric: str,
    *,
    claimed: Sequence[float] = (),
    chance: float | None = None,
    title: str = "",
) -> Figure:
    """Draws one test metric of several runs per epoch, as in Figures 7a and 7b of the paper.

    Args:
        runs: epochs of each run, as in results.json, by the name to show.
        metric: a key of METRIC_NAMES.
        claimed: averages the paper states for these models; drawn as dotted levels.
        chance: what a model that says the same to everything gets; None: not drawn.
        title: a heading; empty for none.
    """
    # Short names stand beside the plot, long ones below it, or they would squeeze it.
    longest = max(map(len, runs))
    columns = 2 if longest <= 36 else 1
    below = {"loc": "outside lower center", "ncols": columns}
    legend: dict[str, Any] = {"loc": "outside right upper"} if longest <= 18 else below
    figure = new_figure(5.6, 3.6 if longest <= 18 else 3.9 + 0.18 * -(-len(runs) // columns))
    axes = figure.add_subplot()
    for index, (name, epochs) in enumerate(runs.items()):
        axes.plot(
            [epoch["epoch"] for epoch in epochs],
            metric_values(epochs, "test", metric),
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index % len(MARKERS)],
            markevery=marked(epochs, offset=index),
            linestyle=LINES[index % len(LINES)],
            label=plain_text(name),
            clip_on=False,
        )
    is_accuracy = metric.endswith("accuracy")
    if chance is not None:
        axes.axhline(chance, color=GREY, linestyle="--", linewidth=1, label=CHANCE)
    levels = sorted(set(claimed))
    for index, level in enumerate(levels):
        label = "_nolegend_" if index else f"claimed by the paper:\n{_span(levels, is_accuracy)}"
        axes.axhline(level, color=BLACK, linestyle=(0, (1, 2)), linewidth=1.2, label=label)
    epoch_axis(axes, f"{METRIC_NAMES[metric]}, test", is_accuracy=is_accuracy)
    axes.set_title(plain_text(title))
    figure.legend(**legend)
    return figure


@styled
def bars(
    values: Mapping[str, float],
    claimed: Mapping[str, float],
    metric: str,
    *,
    chance: float | None = None,
    title: str = "",
) -> Figure:
    """Draws the average of a metric over the epochs, as in Figures 8 and 9 of the paper.

    Args:
        values: our average by the run's name; an accuracy is a fraction, a loss is in nats;
            NaN leaves the place empty.
        claimed: the paper's average by the same names, where it states one.
        metric: a key of METRIC_NAMES.
        chance: what a model that says the same to everything gets; None: not drawn.
        title: a heading; empty for none.
    """
    figure = new_figure(5.6, 1.3 + 0.55 * len(values))
    axes = figure.add_subplot()
    is_accuracy = metric.endswith("accuracy")
    places = {name: index for index, name in enumerate(values)}
    stated = {name: claimed[name] for name in values if name in claimed}
    ours: dict[str, Any] = {"color": BLUE, "label": "this run"}
    theirs = {"fc": "white", "ec": GREY, "hatch": "////", "label": "claimed by the paper"}
    for numbers, offset, look in ((values, -0.2, ours), (stated, 0.2, theirs)):
        if numbers:
            at = [places[name] + offset for name in numbers]
            drawn = axes.barh(at, list(numbers.values()), height=0.36, **look)
            texts = [_shown(value, is_accuracy) for value in numbers.values()]
            axes.bar_label(drawn, labels=texts, padding=3, fontsize=8)
    if chance is not None:
        axes.axvline(chance, color=GREY, linestyle="--", linewidth=1, label=CHANCE)
    axes.set_yticks(list(places.values()), [plain_text(name) for name in values])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    # A heading of the figure, not of the axes: beside long names the axes are narrower than it.
    figure.supxlabel(
        f"{METRIC_NAMES[metric]}, test, mean over the epochs{unit(is_accuracy)}", fontsize=9
    )
    if is_accuracy:
        axes.set_xlim(0, 1.12)
        axes.set_xticks(np.linspace(0, 1, 6))
        in_percent(axes.xaxis)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_title(plain_text(title))
    figure.legend(loc="outside upper center", ncols=2 if chance is None else 3)
    return figure


def _shown(value: float, is_accuracy: bool) -> str:
    return percent(value) if is_accuracy else f"{value:.4f}"


def _span(levels: Sequence[float], is_accuracy: bool) -> str:
    ends = dict.fromkeys(_shown(level, is_accuracy) for level in (levels[0], levels[-1]))
    return " to ".join(ends)
