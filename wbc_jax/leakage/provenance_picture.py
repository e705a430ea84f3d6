"""A sheet of copies beside their originals. It shows real cells, so it stays with the user."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wbc_jax.leakage import alignment, originals, recovery
from wbc_jax.leakage.originals import CLASSES, SIZE
from wbc_jax.leakage.recovery import Recovered
from wbc_jax.reporting.figure_style import new_figure, styled

_COLUMNS = ("copy", "original", "original under the map", "difference")


def examples(recovered: Mapping[str, Recovered]) -> list[Recovered]:
    """Returns, of both splits' classes, the resolved copy with the fewest inliers: the hardest."""
    chosen = []
    for kind in (f"{split}/{label}/" for split in ("TEST", "TRAIN") for label in CLASSES):
        found = [one for file, one in recovered.items() if file.startswith(kind) and one.resolved]
        chosen += sorted(found, key=lambda one: (one.inliers, one.file))[:1]
    return chosen


@styled
def provenance_sheet(place: Path, chosen: Sequence[Recovered]) -> Figure:
    """Draws copies beside their originals.

    Args:
        place: folder or zip with the copies and the originals.
        chosen: one row each; resolved.
    """
    copies, tree = recovery.find_copies(place), originals.find_originals(place)
    figure = new_figure(9.0, 1.95 * len(chosen) + 0.3)
    axes = figure.subplots(len(chosen), len(_COLUMNS), squeeze=False)
    for row, found in zip(axes, chosen, strict=True):
        if found.matrix is None:
            raise ValueError(f"{found.file} has no map")
        copy = originals.decode(copies.read(found.file), found.file)
        original = originals.read(tree, found.best)
        moved = alignment.warp(original, found.matrix, SIZE)
        difference = np.abs(copy.astype(np.int16) - moved).astype(np.uint8)
        for axis, picture in zip(row, (copy, original, moved, difference), strict=True):
            _show(axis, picture)
        row[0].set_ylabel("\n".join(found.file.split("/")), fontsize=7)
        row[1].set_xlabel(found.best, fontsize=7)
        row[2].set_xlabel(f"{found.inliers} inliers, next {found.runner_up}", fontsize=7)
        row[3].set_xlabel(f"correlation {found.correlation:.4f}", fontsize=7)
    for axis, title in zip(axes[0], _COLUMNS, strict=True):
        axis.set_title(title)
    return figure


def _show(axes: Axes, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    axes.imshow(picture)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
