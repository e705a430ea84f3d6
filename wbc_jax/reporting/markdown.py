r"""Rows of a Markdown table.

markdown_row(["a", "b|c"])        # | a | b\|c |
"""

from collections.abc import Sequence


def markdown_row(cells: Sequence[str]) -> str:
    """Returns a line; a bar within a cell, as a folder's name may have it, opens no column."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
