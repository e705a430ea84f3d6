"""Pooled figures as a reader sees them, in the pages of several settings.

figure_text({"mean": 0.84, "sd": 0.06, "interval": [0.76, 0.9]})     # "84.0 ± 6.0 % [76.0, 90.0]"
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wbc_jax.reporting.number_text import NO_VALUE, interval, percent


def figure_text(summary: Mapping[str, Any]) -> str:
    """Returns mean, deviation where there is one, and interval of a share."""
    ends = interval(summary["interval"], is_share=True)
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


def remarks(
    groups: Sequence[Mapping[str, Any]], name_of: Callable[[Mapping[str, Any]], str]
) -> list[str]:
    """Returns what a reader must know first: each text once, with the groups that it is of."""
    carriers: dict[str, list[str]] = {}
    for group in groups:
        for text in (*group["warnings"], *group["notes"]):
            carriers.setdefault(text, []).append(name_of(group))
    return [
        text if len(names) == len(groups) else f"{'; '.join(names)}: {text}"
        for text, names in carriers.items()
    ]
