"""The figures of a sweep: what accuracy costs, how it grows, which fields it hangs on.

    figure = costs(settings, MEASURES["classification"], reference="cnn")

Plain dicts in, matplotlib Figures out, as in `plots`. A setting's number is its place in the table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import (
    EngFormatter,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
)

from wbc_jax.reporting.figure_style import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    VERMILLION,
    epoch_axis,
    in_percent,
    new_figure,
    plain_text,
    styled,
)
from wbc_jax.reporting.measures import Measures
from wbc_jax.reporting.sweep_tables import reference_name

COSTS = {
    "num_layers": "Layers (convolutions and dense)",
    "num_params": "Parameters",
    "multiply_adds": "Multiply-adds, forward",
    "wall_seconds": "Wall time of a run (s)",
}
_MOST_CURVES = 8
_MOST_RANKS, _BEST = 12, 3  # of more settings only the places of a few are written
Settings = Sequence[Mapping[str, Any]]


@styled
def costs(settings: Settings, measures: Measures, *, reference: str, title: str = "") -> Figure:
    """Draws test accuracy against each cost, with 95 % intervals; the reference stands out.

    Args:
        settings: as in sweep.json: `rank`, `name`, the figures, and the costs.
        measures: of the sweep's task; what is accuracy here is the first of them.
        reference: name of the setting that the others are compared with.
        title: a heading; empty for none.
    """
    figure = new_figure(7.2, 6.4)
    accuracies = [measures.main.of(one) for one in settings]
    for axes, (cost, label) in zip(figure.subplots(2, 2).ravel(), COSTS.items(), strict=True):
        values = np.array([_cost(one, cost) for one in settings], np.float64)
        looks = [VERMILLION if one["name"] == reference else BLUE for one in settings]
        ends = np.array([figure_["interval"] for figure_ in accuracies], np.float64).T
        axes.vlines(values, *ends, colors=looks, linewidth=1.0, alpha=0.7)
        for one, value, summary, colour in zip(settings, values, accuracies, looks, strict=True):
            marker = "s" if one["name"] == reference else "o"
            axes.plot(value, summary["mean"], marker, color=colour, ms=4)
            if len(settings) > _MOST_RANKS and not _is_named(one, settings, reference):
                continue
            axes.annotate(
                str(one["rank"]),
                (value, summary["mean"]),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize=7,
            )
        axes.set_xlabel(label)
        if cost == "num_layers":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        else:
            if values.max() > 3 * values.min():
                axes.set_xscale("log")
                # Within a decade more of them, or there would be one and matplotlib places its own.
                is_short = values.max() < 10 * values.min()
                subs = (1.0, 2.0, 3.0, 5.0) if is_short else (1.0, 3.0)
                axes.xaxis.set_major_locator(LogLocator(subs=subs))
                axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.margins(x=0.1)
        axes.set_ylabel(f"{measures.axis}, test (%)")
        in_percent(axes.yaxis)
    of_many = " (the best, the worst and the reference)" if len(settings) > _MOST_RANKS else ""
    note = f"Numbers: places in the table{of_many}. Square: the reference"
    figure.suptitle(f"{title}\n{note}".strip(), fontsize=8)
    return figure


def _is_named(one: Mapping[str, Any], settings: Settings, reference: str) -> bool:
    """Whether a point's place is written beside it where all would lie over each other."""
    return one["rank"] <= _BEST or one["rank"] == len(settings) or one["name"] == reference


@styled
def learning_curves(
    settings: Settings, measures: Measures, *, reference: str, title: str = ""
) -> Figure:
    """Draws test accuracy per epoch: the mean over the seeds, and from least to most.

    Of many settings the best are drawn in colour, with the reference; the others in grey.

    Args:
        settings: the same, with `curves`: the accuracy of each epoch, by seed.
        measures: of the sweep's task.
        reference: name of the setting that the others are compared with.
        title: a heading; empty for none.
    """
    shown = [one["name"] for one in settings[:_MOST_CURVES]]
    if reference not in shown:
        shown = [*shown[: _MOST_CURVES - 1], reference]
    figure = new_figure(7.2, 3.8 + 0.17 * min(len(settings), _MOST_CURVES))
    axes = figure.add_subplot()
    for one in settings:
        if one["name"] not in shown:
            axes.plot(*_mean_curve(one), color="#c4c4c4", linewidth=0.8, zorder=1)
    for index, one in enumerate(one for one in settings if one["name"] in shown):
        epochs, mean = _mean_curve(one)
        colour = COLOURS[index % len(COLOURS)]
        curves = np.array(list(one["curves"].values()), np.float64)
        axes.fill_between(epochs, curves.min(0), curves.max(0), color=colour, alpha=0.12, lw=0)
        axes.plot(
            epochs,
            mean,
            color=colour,
            marker=MARKERS[index % len(MARKERS)],
            linestyle=LINES[index % len(LINES)],
            label=plain_text(f"{one['rank']}  {one['name']}"),
            clip_on=False,
        )
    epoch_axis(axes, f"{measures.axis}, test", is_accuracy=True)
    axes.set_title(title)
    figure.legend(loc="outside lower center", ncols=1 if max(map(len, shown)) > 40 else 2)
    return figure


@styled
def parallel_coordinates(
    settings: Settings, fields: Sequence[str], measures: Measures, *, title: str = ""
) -> Figure:
    """Draws every setting as a line through its values, coloured by its accuracy.

    Args:
        settings: the same, with `fields`: values of the fields that differ, as text.
        fields: names of these.
        measures: of the sweep's task.
        title: a heading; empty for none.
    """
    figure = new_figure(max(6.0, 1.7 * (len(fields) + 1)), 4.2)
    axes = figure.add_subplot()
    accuracies = np.array([measures.main.of(one)["mean"] for one in settings])
    norm = Normalize(accuracies.min(), max(accuracies.max(), accuracies.min() + 1e-3))
    colours = colormaps["cividis"]
    heights = []
    for place, name in enumerate(fields):
        choices = list(dict.fromkeys(one["fields"][name] for one in settings))
        # From the least to the most, where they are numbers.
        choices.sort(key=_order)
        places = {choice: (i + 0.5) / len(choices) for i, choice in enumerate(choices)}
        heights.append([places[one["fields"][name]] for one in settings])
        for choice, height in places.items():
            axes.annotate(
                plain_text(choice),
                (place, height),
                xytext=(4, 2),
                textcoords="offset points",
                fontsize=7,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            )
    heights.append(norm(accuracies).tolist())
    # A little apart, or lines through the same values would be one.
    spread = np.linspace(-0.02, 0.02, len(settings)) if len(settings) > 1 else [0.0]
    for one, (own, shift) in enumerate(zip(np.array(heights).T, spread, strict=True)):
        line = [*(own[:-1] + shift), own[-1]]
        axes.plot(range(len(fields) + 1), line, color=colours(norm(accuracies[one])), lw=1.3)
    axes.vlines(range(len(fields) + 1), 0, 1, color=BLACK, linewidth=0.8)
    names = [plain_text(name.rpartition(".")[2]) for name in fields]
    axes.set_xticks(range(len(fields) + 1), [*names, measures.noun])
    axes.set(yticks=[], ylim=(-0.05, 1.05), xlim=(-0.15, len(fields) + 0.15))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes)
    bar.set_label(f"{measures.axis}, test, mean over the seeds (%)")
    in_percent(bar.ax.yaxis)
    return figure


@styled
def differences(settings: Settings, measures: Measures, *, title: str = "") -> Figure:
    """Draws how far each setting lies above its reference, seed by seed, with 95 % intervals.

    Args:
        settings: the same, with `difference` from the setting `against`; None for a reference.
        measures: of the sweep's task.
        title: a heading; empty for none.
    """
    others = [one for one in settings if one["difference"] is not None]
    figure = new_figure(7.2, 1.3 + 0.28 * len(others))
    axes = figure.add_subplot()
    for place, one in enumerate(others):
        summary = measures.main.of(one["difference"])
        axes.hlines(place, *summary["interval"], color=BLUE, linewidth=1.4)
        axes.plot(summary["mean"], place, "o", color=BLUE, ms=5)
        seeds = list(summary["per_seed"].values())
        axes.plot(seeds, [place] * len(seeds), "|", color=BLACK, ms=7)
    axes.axvline(0, color=GREY, linestyle="--", linewidth=1)
    texts = [plain_text(f"{one['rank']}  {one['name']}") for one in others]
    axes.set_yticks(range(len(others)), texts, fontsize=8)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _points(value)))
    axes.set_title(title)
    other = reference_name(others) or "its reference"
    figure.supxlabel(
        plain_text(f"Test {measures.noun} less that of {other} (percentage points)"), fontsize=9
    )
    return figure


def _points(share: float) -> str:
    """Returns percentage points with a sign and no more decimals than there are."""
    points = round(100 * share, 6)
    return f"{points:+g}" if points else "0"


def _cost(setting: Mapping[str, Any], name: str) -> float:
    value = setting[name]
    return float(value["mean"] if isinstance(value, Mapping) else value)


def _mean_curve(setting: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    curves = np.array(list(setting["curves"].values()), np.float64)
    return np.arange(1, curves.shape[1] + 1), curves.mean(axis=0)


def _order(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, float(len(text)), text
