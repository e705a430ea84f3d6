"""Which seed stands for which cell: one to one, within half the cell's shorter side.

matching = match(seeds_at, cells_at, reach=radii)
outcomes = count_outcomes(seeds, cells)                    # per kind: found, false, missed
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Int32
from scipy.optimize import linear_sum_assignment

from wbc_jax.data.examples import Examples
from wbc_jax.seeds.seed_points import KINDS, Seeds


class Cells(NamedTuple):
    """The true cells of one picture.

    Attributes:
        rows: of the box's middle, pixels.
        columns: the same across.
        kinds: index into `KINDS`.
        radii: half the shorter side of the box, pixels.
    """

    rows: Float32[np.ndarray, " n"]
    columns: Float32[np.ndarray, " n"]
    kinds: Int32[np.ndarray, " n"]
    radii: Float32[np.ndarray, " n"]


def true_cells(cells: Float32[np.ndarray, "m 5"]) -> Cells:
    """Returns the cells of one picture from its row in `Examples.cells`."""
    row, column, height, width, kind = cells[cells[:, 4] >= 0].T
    return Cells(row, column, kind.astype(np.int32), np.minimum(height, width))


def cells_of_pictures(examples: Examples) -> list[Cells]:
    """Returns the cells of every picture of a set for detectors."""
    assert examples.cells is not None
    return [true_cells(cells) for cells in examples.cells]


class Matching(NamedTuple):
    """Pairs of a seed and a cell.

    Attributes:
        seeds: index of each pair's seed.
        cells: index of its cell.
        distances: between both, pixels.
    """

    seeds: Int[np.ndarray, " m"]
    cells: Int[np.ndarray, " m"]
    distances: Float[np.ndarray, " m"]


def match(
    seeds_at: Float[np.ndarray, "p 2"],
    cells_at: Float[np.ndarray, "t 2"],
    *,
    reach: Float[np.ndarray, " t"],
) -> Matching:
    """Pairs seeds with cells one to one: as many as can be, and of these the nearest in sum.

    Args:
        seeds_at: (row, column) of each seed, pixels.
        cells_at: the same of each true centre.
        reach: how far a seed may be from each cell's centre, pixels.

    Returns:
        The pairs, in the order of the seeds. What is left is a false seed or a missed cell.

    Source: Kuhn (1955); scipy.optimize.linear_sum_assignment.
    """
    apart = np.linalg.norm(seeds_at[:, None] - cells_at[None], axis=-1)
    allowed = apart <= reach[None]
    # So dear that no sum of allowed pairs is worth one pair less.
    forbidden = 1.0 + float(apart[allowed].sum())
    seeds, cells = linear_sum_assignment(np.where(allowed, apart, forbidden))
    kept = allowed[seeds, cells]
    seeds, cells = seeds[kept], cells[kept]
    return Matching(seeds, cells, apart[seeds, cells])


def count_outcomes(seeds: Seeds, cells: Cells, *, reach: float = 1.0) -> Int[np.ndarray, "kinds 3"]:
    """Counts what was found, what was found in vain and what was missed, kind by kind.

    Args:
        seeds: of a detector.
        cells: the truth of the same picture.
        reach: how far a seed may be from the centre, in units of half the shorter side of the box.

    Returns:
        One row per kind: cells with a seed, seeds without a cell, cells without a seed.
    """
    outcomes = np.zeros((len(KINDS), 3), np.int64)
    for kind in range(len(KINDS)):
        of_seeds, of_cells = seeds.kinds == kind, cells.kinds == kind
        found = match(
            np.column_stack([seeds.rows[of_seeds], seeds.columns[of_seeds]]),
            np.column_stack([cells.rows[of_cells], cells.columns[of_cells]]),
            reach=reach * cells.radii[of_cells],
        )
        pairs = len(found.seeds)
        outcomes[kind] = pairs, of_seeds.sum() - pairs, of_cells.sum() - pairs
    return outcomes
