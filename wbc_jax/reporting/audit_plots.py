"""The pairs of an audit, side by side.

figure = pair_sheet([(group, first, second), ...], columns=2)
"""

from collections.abc import Sequence

from jaxtyping import UInt8
from matplotlib.figure import Figure
from numpy import ndarray

from wbc_jax.printable import printable
from wbc_jax.reporting.audit_findings import Group, Pair
from wbc_jax.reporting.figure_style import GREY, new_figure, plain_text, styled

MOST_DRAWN = 8
_LONGEST_NAME = 34  # characters that fit above a picture

Image = UInt8[ndarray, "_ _ 3"]


def choose_groups(groups: Sequence[Group], count: int = MOST_DRAWN) -> list[Group]:
    """Chooses groups to draw: all, or as many evenly spread from the surest to the least sure.

    Args:
        groups: in the order of their surest pairs.
        count: how many.
    """
    if len(groups) <= count:
        return list(groups)
    # Both ends are taken: the least sure is the one worth a look.
    return [groups[round(i * (len(groups) - 1) / (count - 1))] for i in range(count)]


@styled
def pair_sheet(drawn: Sequence[tuple[Group, Image, Image]], *, columns: int = 2) -> Figure:
    """Draws the surest pair of some groups.

    Args:
        drawn: each group with both pictures of its surest pair, 8-bit RGB.
        columns: pairs in a row.
    """
    rows = -(-len(drawn) // columns)
    figure = new_figure(5.2 * columns, 2.5 * rows)
    grid = figure.subplots(rows, 2 * columns, squeeze=False).reshape(-1, 2)
    for axes in grid.ravel():
        axes.grid(visible=False)
        axes.set(xticks=[], yticks=[])
        axes.set_axis_off()
    for (left, right), (group, *images) in zip(grid, drawn, strict=False):
        for axes, image, (part, file) in zip((left, right), images, group.pair.ends, strict=True):
            axes.set_axis_on()
            axes.imshow(image, interpolation="antialiased")
            axes.spines[:].set(visible=True, color=GREY, linewidth=0.6)
            axes.set_title(f"{_shortened(part)}\n{_shortened(file)}", fontsize=6, pad=3)
        words = f"{group.name}: {describe_pair(group.pair)}"
        left.set_xlabel(plain_text(printable(words)), fontsize=7, loc="left")
    return figure


def describe_pair(pair: Pair) -> str:
    """Returns how a pair was found and what was measured, in a few words."""
    said = {
        "source": "same smear",
        "scene": "same place",
        "bytes": "identical files",
        "pixels": "identical pixels",
    }
    words = [said.get(pair.how, "")]
    if pair.how == "hash":
        words = [f"{pair.hash_distance} of 64 bits differ"]
    if pair.inliers is not None:
        words = [f"{pair.inliers} key points agree"]
    if pair.correlation is not None:
        words.append(f"correlation {pair.correlation:.3f}")
    return ", ".join(words)


def _shortened(name: str) -> str:
    """Returns a name that fits, its end kept: that is where files differ."""
    name = printable(name)
    short = name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
    return plain_text(short)
