"""Rows of text in columns.

print(aligned(["model", "ms"], [["cnn", "4.1"]]))
"""

from collections.abc import Sequence


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], *, num_left: int = 1) -> str:
    """Returns a table as text.

    Args:
        header: of each column; may hold one line break, for a unit below the name.
        rows: as many cells each.
        num_left: the first so many columns are aligned to the left, the others to the right.
    """
    heads = [name.partition("\n")[::2] for name in header]
    lines = [[name for name, _ in heads]]
    if any(unit for _, unit in heads):
        lines.append([unit for _, unit in heads])
    num_heads = len(lines)
    lines += [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(
            cell.ljust(width) if index < num_left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text.insert(num_heads, "-" * max(map(len, text)))
    return "\n".join(text)
