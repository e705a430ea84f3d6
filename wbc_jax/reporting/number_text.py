"""Numbers as a reader writes them, in pages, tables, figures and the terminal.

percent(0.994), interval([0.981, 0.998], is_share=True)      # "99.4 %", "[98.1, 99.8]"
"""

import math
from collections.abc import Sequence

# Says "not defined" or "the paper is silent" in every table.
NO_VALUE = "–"


def percent(fraction: float | None, decimals: int = 1) -> str:
    """Returns 0.994 as "99.4 %"."""
    if fraction is None or math.isnan(fraction):
        return NO_VALUE
    return f"{100 * fraction:.{decimals}f} %"


def number(value: float | None, decimals: int = 4) -> str:
    """Returns a loss or another plain number with fixed decimals."""
    return NO_VALUE if value is None or math.isnan(value) else f"{value:.{decimals}f}"


def duration(seconds: float | None) -> str:
    """Returns a time as "8.2 s", "3 min 20 s" or "2 h 05 min"."""
    if seconds is None or math.isnan(seconds):
        return NO_VALUE
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def grouped(value: float | None) -> str:
    """Returns a count with thousands set apart: 23,534,592."""
    return NO_VALUE if value is None or math.isnan(value) else f"{round(value):,}"


def interval(
    ends: Sequence[float | None] | None, *, is_share: bool, decimals: int | None = None
) -> str:
    """Returns "[80.2, 90.1]", in per cent where it is a share; a dash where it is not defined.

    Args:
        ends: lower and upper.
        is_share: of 1.
        decimals: as usual, one of a share and three of another number, where there is none.
    """
    known = [end for end in ends or () if end is not None and not math.isnan(end)]
    if len(known) != 2:
        return NO_VALUE
    low, high = (100 * end if is_share else end for end in known)
    decimals = (1 if is_share else 3) if decimals is None else decimals
    return f"[{low:.{decimals}f}, {high:.{decimals}f}]"
