"""The words that stand wherever a leaky protocol's figures stand, so that nobody can miss them.

mark("CNN on blood_cells", is_leaky=True)            # two lines, the first: "LEAKY PROTOCOL"
"""

from collections.abc import Sequence

MARK = "LEAKY PROTOCOL"
WORDS = (
    "copies of the same smear are on both sides, in training and in test. These figures do not "
    "show how well unseen smears are classified."
)


def mark(title: str, *, is_leaky: bool) -> str:
    """Returns the title of a figure, marked where its numbers come from a leaky protocol."""
    return f"{MARK}\n{title}" if is_leaky else title


def name(protocol: str, *, is_leaky: bool) -> str:
    """Returns a protocol's name, marked where it is leaky."""
    return f"{protocol} (LEAKY)" if is_leaky else protocol


def mark_several(are_leaky: Sequence[bool]) -> str:
    """Returns the title of a figure of several runs; empty where no protocol is leaky."""
    if not any(are_leaky):
        return ""
    return MARK if all(are_leaky) else f"{MARK} in some of these runs"
