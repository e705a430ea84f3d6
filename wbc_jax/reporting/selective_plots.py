"""The figure of what leaving the least sure answers out would bring.

figure = risk_coverage_curves(results["selective"], title="CNN on blood_cells")
"""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from wbc_jax.reporting.figure_style import (
    BLUE,
    GREY,
    VERMILLION,
    in_percent,
    new_figure,
    plain_text,
    styled,
)
from wbc_jax.reporting.number_text import percent

_LOOKS: dict[str, dict[str, Any]] = {
    "validation": {"color": VERMILLION, "linestyle": "--", "marker": "s"},
    "test": {"color": BLUE, "linestyle": "-", "marker": "o"},
}


@styled
def risk_coverage_curves(selective: Mapping[str, Any], *, title: str) -> Figure:
    """Draws the share of wrong answers among those given, by the share that is given.

    Args:
        selective: as in results.json; a point marks the threshold chosen on validation.
        title: what was tested.
    """
    figure = new_figure(5.4, 3.8)
    axes = figure.subplots()
    for name, look in _LOOKS.items():
        part, curve = selective[name], selective[name]["curve"]
        line = {key: value for key, value in look.items() if key != "marker"}
        axes.plot(curve["coverage"], curve["risk"], label=name, **line)
        if part["risk"] is not None and part["coverage"]:
            label = (
                f"{name} at the threshold: {percent(part['risk'])} of {percent(part['coverage'])}"
            )
            axes.plot(part["coverage"], part["risk"], label=label, clip_on=False, ms=7, **look)
    axes.axhline(selective["target_risk"], color=GREY, linestyle=":", label="aimed at")
    axes.set(xlim=(0, 1), xlabel="Coverage: answers given (% of the images)")
    axes.set_ylim(0, max(0.1, axes.get_ylim()[1]))
    axes.set_ylabel("Risk: wrong among those given (%)")
    for axis in (axes.xaxis, axes.yaxis):
        in_percent(axis)
    axes.legend(loc="upper left")
    axes.set_title(plain_text(title))
    return figure
