"""The comparison of training steps and predictions as a figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.plot_axes import log_scale
from wbc_jax.reporting.figure_style import BLACK, BLUE, VERMILLION, new_figure, styled

_SIDES = (("ours", "wbc_jax", BLUE, "o"), ("torch", "PyTorch", VERMILLION, "s"))
_KINDS = (("", "Training step"), ("predict_", "Prediction"))


@styled
def step_figure(records: Sequence[dict[str, Any]], *, title: str) -> Figure:
    """Draws images per second of both above, the ratio of their times below; median and quartiles.

    Args:
        records: from `step_records.make_record`, one position each.
        title: what they were measured on.
    """
    figure = new_figure(max(6.4, 1.0 + 1.2 * len(records)), 5.6)
    panels = figure.subplots(2, 2, sharex=True, sharey="row")
    for column, (prefix, kind) in enumerate(_KINDS):
        _draw_rates(panels[0, column], records, prefix)
        _draw_ratios(panels[1, column], records, prefix)
        panels[0, column].set_title(kind)
    panels[0, 0].set_ylabel("Images per second")
    panels[1, 0].set_ylabel("PyTorch's time / ours")
    figure.suptitle(title)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def alt_text(records: Sequence[dict[str, Any]]) -> str:
    """Returns the figure's content in words."""
    said = (
        f"{record['model']} batch {record['batch_size']}: training {record['ratio']:.2f}, "
        f"prediction {record['predict_ratio']:.2f}"
        for record in records
    )
    return "Time of PyTorch over time of wbc_jax. " + "; ".join(said)


def _draw_rates(axes: Axes, records: Sequence[dict[str, Any]], prefix: str) -> None:
    for index, (side, name, colour, marker) in enumerate(_SIDES):
        rates = [record[f"{prefix}{side}_images_per_second"] for record in records]
        # A quartile of the time is the other quartile of the rate.
        quartiles = np.array(
            [
                [1e3 * record["batch_size"] / ms for ms in record[f"{prefix}{side}_ms_quartiles"]]
                for record in records
            ]
        )
        axes.errorbar(
            np.arange(len(records)) + 0.2 * (index - 0.5),
            rates,
            yerr=np.abs(quartiles.T[::-1] - rates),
            fmt=marker,
            color=colour,
            capsize=3,
            linewidth=1.2,
            label=name,
        )
    log_scale(axes)
    axes.grid(visible=False, axis="x")


def _draw_ratios(axes: Axes, records: Sequence[dict[str, Any]], prefix: str) -> None:
    positions = np.arange(len(records))
    ratios = np.array([record[f"{prefix}ratio"] for record in records])
    quartiles = np.array([record[f"{prefix}ratio_quartiles"] for record in records]).T
    axes.axhline(1, color=BLACK, linewidth=1, linestyle="--")
    axes.errorbar(
        positions,
        ratios,
        yerr=np.abs(quartiles - ratios),
        fmt="o",
        color=BLUE,
        capsize=3,
        linewidth=1.2,
    )
    for position, ratio in zip(positions, ratios, strict=True):
        axes.annotate(
            f"{ratio:.2f}", (position, ratio), (6, 0), textcoords="offset points", va="center"
        )
    axes.set_xticks(positions, [f"{record['model']}\n{record['batch_size']}" for record in records])
    axes.set_xlabel("Network and batch size")
    axes.set_xlim(-0.6, len(records) - 0.3)
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")
