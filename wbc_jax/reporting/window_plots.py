"""The images as the network sees them, some of every class: do the windows hold the cell?

figure = window_sheet(examples.image, examples.label, classes, rows=2, columns=8)
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, UInt8
from matplotlib.figure import Figure

from wbc_jax.reporting.examples import evenly_spread
from wbc_jax.reporting.figure_style import (
    GREY,
    new_figure,
    number_corner,
    plain_text,
    show_pixels,
    styled,
)


@styled
def window_sheet(
    images: UInt8[np.ndarray, "n h w c"],
    labels: Int[np.ndarray, " n"],
    classes: Sequence[str],
    *,
    rows: int = 2,
    columns: int = 8,
) -> Figure:
    """Draws some images of every class, class below class, none chosen by hand.

    Which images are shown is `choose_windows`'s rule; the number in an image's corner is its place
    in the set, from 0.

    Args:
        images: what the network sees, 0 to 255; one channel (gray) or three (RGB).
        labels: class indices; an image with another label, such as -1, is not drawn.
        classes: names in label order; one without images is left out.
        rows: most rows of each class; fewer where there are not enough images.
        columns: images in a row.
    """
    lines: list[tuple[str, Int[np.ndarray, " m"]]] = []
    for label, name in enumerate(classes):
        chosen = choose_windows(labels, label, rows * columns)
        starts = range(0, chosen.size, columns)
        lines += [(name, chosen[start : start + columns]) for start in starts]
    num_lines = max(1, len(lines))
    figure = new_figure(columns, 1.2 * num_lines)
    grid = figure.subplots(num_lines, columns, squeeze=False)
    for axes in grid.ravel():
        axes.grid(visible=False)
        axes.set(xticks=[], yticks=[])
        axes.set_axis_off()
    for axes_of_line, (name, chosen) in zip(grid, lines, strict=False):
        for axes, index in zip(axes_of_line, chosen, strict=False):
            axes.set_axis_on()
            show_pixels(axes, images[index])
            axes.set_title(plain_text(name), fontsize=7, pad=3)
            axes.spines[:].set(visible=True, color=GREY, linewidth=0.6)
            number_corner(axes, int(index), fontsize=5)
    return figure


def choose_windows(labels: Int[np.ndarray, " n"], label: int, count: int) -> Int[np.ndarray, " m"]:
    """Chooses images of one class, evenly spread in the order of the set.

    Args:
        labels: class indices.
        label: the class.
        count: number of images wanted, not negative.

    Returns:
        Ascending indices of min(count, images of the class) different images.
    """
    rows = np.flatnonzero(labels == label)
    return rows[evenly_spread(rows.size, min(count, rows.size))]
