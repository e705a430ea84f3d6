"""How many of each, and what that says of the blood on the slide: shares with intervals.

rows = differential({"lymphocyte": 31, "neutrophil": 60}, {"lymphocyte": 4})["classes"]
rows["lymphocyte"]       # {"count": 31, "share": 0.34, "interval": [0.25, 0.44], "uncertain": 4}

The intervals know of chance alone, as if every cell were a draw of its own and every answer right:
what the network confuses, or where on the slide the pictures were taken, is not in them. Nor that
cells of one class may be uncertain more often than others: its share is too low then.

Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
"""

from collections.abc import Mapping
from typing import Any

CONFIDENCE = 0.95
METHOD = (
    "Wilson, 95 %: of chance alone, as if every answer were right and uncertain cells were as the "
    "others"
)


def share_with_interval(count: int, total: int) -> dict[str, Any]:
    """Returns a count, its share and the share's interval; neither where there is no cell.

    Args:
        count: of one class, at most `total`.
        total: of all.
    """
    from scipy.stats import binomtest  # half a second of import

    if total == 0:
        return {"count": count, "share": None, "interval": None}
    ends = binomtest(count, total).proportion_ci(CONFIDENCE, method="wilson")
    return {"count": count, "share": count / total, "interval": [float(ends.low), float(ends.high)]}


def differential(counts: Mapping[str, int], uncertain: Mapping[str, int]) -> dict[str, Any]:
    """Returns the differential count.

    Args:
        counts: white cells answered, by class.
        uncertain: white cells without an answer, by their most probable class; they have no part in
            the shares.

    Returns:
        `classes`, by name, as `share_with_interval`, and how many cells are `uncertain` of which it
        is the most probable; `answered` and `uncertain`, the latter with its share of all white
        cells; `method` of the intervals.
    """
    answered, num_uncertain = sum(counts.values()), sum(uncertain.values())
    return {
        "classes": {
            name: share_with_interval(count, answered) | {"uncertain": uncertain.get(name, 0)}
            for name, count in counts.items()
        },
        "answered": answered,
        "uncertain": share_with_interval(num_uncertain, answered + num_uncertain),
        "method": METHOD,
    }
