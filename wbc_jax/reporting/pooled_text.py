"""Pooled figures as a reader sees them, in the pages of several settings.

figure_text({"mean": 0.84, "sd": 0.06, "interval": [0.76, 0.9]})     # "84.0 ± 6.0 % [76.0, 90.0]"
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from wbc_jax.reporting.number_text import NO_VALUE, interval, number, percent

ACCURACY = (
    "Accuracy is categorical accuracy, the share whose most probable class is the true one; "
    "“smears”: the probabilities of a smear's copies are averaged and each smear is answered once."
)
INTERVAL = (
    "In brackets: 95 % interval of the mean over the seeds, by bootstrap over smears, stratified "
    "by class where each shows one, and over seeds, made wider where seeds are few, as Student's t "
    "asks; a smear is drawn for all seeds at once."
)


def figure_text(summary: Mapping[str, Any], *, is_share: bool = True) -> str:
    """Returns mean, deviation where there is one, and interval of a share or of another number.

    Where any seed leaves the figure undefined, a dash.
    """
    if summary["mean"] is None or math.isnan(summary["mean"]):
        return NO_VALUE
    ends = interval(summary["interval"], is_share=is_share, decimals=1 if is_share else 2)
    if not is_share:
        spread = "" if summary["sd"] is None else f" ± {number(summary['sd'], 2)}"
        return f"{number(summary['mean'], 2)}{spread} {ends}"
    if summary["sd"] is None:
        return f"{percent(summary['mean'])} {ends}"
    return f"{100 * summary['mean']:.1f} ± {100 * summary['sd']:.1f} % {ends}"


def points_text(summary: Mapping[str, Any] | None) -> str:
    """Returns a difference of shares, in percentage points, with its deviation and interval."""
    if summary is None:
        return NO_VALUE
    text = f"{100 * summary['mean']:+.1f}".replace("-", "\u2212")
    if summary["sd"] is not None:
        text += f" ± {100 * summary['sd']:.1f}"
    if "interval" in summary:
        text += f" {interval(summary['interval'], is_share=True)}"
    return text


def unbroken(cell: str) -> str:
    """Returns a cell that a page breaks before its interval only."""
    return cell.replace(" ", "\u00a0").replace("\u00a0[", " [")


def images_text(counts: Iterable[int]) -> str:
    """Returns a number of images, or its range where seeds were tested on more and on fewer."""
    numbers = sorted(set(counts))
    return f"{numbers[0]:,}" if len(numbers) == 1 else f"{numbers[0]:,} to {numbers[-1]:,}"
