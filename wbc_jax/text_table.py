r"""Tables for the terminal.

text_table(["layer", "parameters"], [["conv", "1,168"]], total=["all", "1,168"])
text_table(["model", "time\nms"], [["cnn", "4.1"]], num_left=1, indent="  ")
"""

import textwrap
from collections.abc import Sequence

from wbc_jax.printable import printable


def text_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    num_left: int = 1,
    total: Sequence[str] = (),
    indent: str = "",
) -> str:
    """Returns rows below their headings, in columns as wide as their widest cell on a screen.

    Args:
        header: of each column; may hold line breaks, for a unit below the name.
        rows: as many cells each; what cannot be printed is shown as an escape.
        num_left: the first so many columns are aligned to the left, the others to the right.
        total: a last row, below a rule.
        indent: before every line.
    """
    # Here, so that a start that prints no table does not wait for it.
    from tabulate import SEPARATING_LINE, tabulate

    sides = ["left"] * num_left + ["right"] * (len(header) - num_left)
    cells: list[Sequence[str] | str] = [list(map(printable, row)) for row in rows]
    if total:
        cells += [SEPARATING_LINE, total]
    table = tabulate(
        cells,
        header,
        tablefmt="simple",
        disable_numparse=True,
        colalign=sides,
        headersalign=sides,
    )
    return textwrap.indent(table, indent)
