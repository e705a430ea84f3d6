"""The gap between protocols: each network's main figure under each of them, leaky ones marked.

    figure = gap(pooled["groups"], pooled["protocols"], MEASURES["classification"])

Plain dicts in, matplotlib Figures out, as in `plots`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from wbc_jax.reporting import leaky, paper
from wbc_jax.reporting.figure_style import (
    BLACK,
    COLOURS,
    GREY,
    in_percent,
    new_figure,
    plain_text,
    styled,
)
from wbc_jax.reporting.measures import Measures
from wbc_jax.reporting.number_text import percent


def network_name(group: Mapping[str, Any]) -> str:
    """Returns "CNN", or "CNN, recipe A" where the network has several."""
    recipe = f", recipe {group['recipe']}" if group["recipe"] else ""
    return f"{paper.model_title(group['model'])}{recipe}"


def protocol_name(group: Mapping[str, Any]) -> str:
    """Returns the protocol's name, marked where it is leaky."""
    return leaky.name(group["protocol"], is_leaky=group["is_leaky"])


@styled
def gap(
    groups: Sequence[Mapping[str, Any]], protocols: Sequence[str], measures: Measures
) -> Figure:
    """Draws the main figure: a cluster per network, a bar per protocol, with intervals.

    Args:
        groups: as in pooled.json: `model`, `recipe`, `protocol`, `is_leaky`, `classes`, and what
            is drawn of the measures, with `mean` and `interval`; fractions in [0, 1].
        protocols: those of the groups, in the order of the bars.
        measures: of the groups' task.
    """
    networks = list(dict.fromkeys(network_name(group) for group in groups))
    width = 0.8 / len(protocols)
    shift = 0.18 * width  # the interval is the bar's and not the diamond's: they stand apart
    figure = new_figure(max(5.0, 1.2 + 0.72 * len(groups)), 4.2)
    axes = figure.add_subplot()
    for index, protocol in enumerate(protocols):
        own = [group for group in groups if group["protocol"] == protocol]
        places = np.array([networks.index(network_name(group)) for group in own])
        places = places + (index - (len(protocols) - 1) / 2) * width
        look: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)]}
        if own[0]["is_leaky"]:
            look = {"facecolor": "white", "edgecolor": look["color"], "hatch": "////"}
        means = [measures.main.of(group)["mean"] for group in own]
        axes.bar(places, means, 0.9 * width, label=plain_text(protocol_name(own[0])), **look)
        ends = np.array([measures.main.of(group)["interval"] for group in own]).T
        # A line from end to end: a percentile interval need not hold the mean in its middle.
        axes.vlines(places - shift, *ends, color=BLACK, linewidth=1.2, clip_on=False, zorder=5)
        if measures.beside is not None:
            axes.plot(
                places + shift,
                [measures.beside.of(group)["mean"] for group in own],
                "D",
                ms=4,
                markerfacecolor="white",
                markeredgecolor=BLACK,
                label="_nolegend_" if index else "smear by smear, mean",
                clip_on=False,
                zorder=4,
            )
        for place, mean in zip(places, means, strict=True):  # where no interval is covered
            text = percent(mean, 0 if mean == 1 else 1)
            look = {"ha": "center", "va": "bottom", "fontsize": 7}
            axes.text(place, 1.01, text, **look)
    guessed = {1 / len(group["classes"]) for group in groups} if measures.is_guessed else set()
    for index, chance in enumerate(sorted(guessed)):
        label = "_nolegend_" if index else "guessing blindly"
        axes.axhline(chance, color=GREY, linestyle="--", linewidth=1, label=label)
    names = [plain_text(name).replace(", ", "\n") for name in networks]
    axes.set_xticks(range(len(networks)), names, fontsize=8)
    axes.set_xlim(-0.6, len(networks) - 0.4)  # also where the last lacks a protocol
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    axes.set(ylim=(0, 1), ylabel=f"{measures.axis}, test (%)")
    in_percent(axes.yaxis)
    title = f"{measures.noun[0].upper()}{measures.noun[1:]} of each network under each protocol"
    title = leaky.mark(title, is_leaky=all(group["is_leaky"] for group in groups))
    axes.set_title(title, pad=16)
    figure.legend(loc="outside lower center", ncols=3)
    return figure
