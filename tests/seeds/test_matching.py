"""Pairs of seeds and cells: against trying every assignment, and the counts that come of them."""

from itertools import permutations

import numpy as np
import pytest

from wbc_jax.seeds.matching import Cells, count_outcomes, match, true_cells
from wbc_jax.seeds.seed_points import Seeds


def seeds_at(*places: tuple[float, float, int]) -> Seeds:
    rows, columns, kinds = np.array(places, np.float32).reshape(-1, 3).T
    return Seeds(rows, columns, kinds.astype(np.int32), np.ones(len(rows), np.float32))


def cells_at(*places: tuple[float, float, int, float]) -> Cells:
    rows, columns, kinds, radii = np.array(places, np.float32).reshape(-1, 4).T
    return Cells(rows, columns, kinds.astype(np.int32), radii)


def best_by_trying(apart: np.ndarray, reach: np.ndarray) -> tuple[int, float]:
    """Most pairs, and of those the least sum of distances, over every assignment."""
    num_seeds, num_cells = apart.shape
    best = (0, 0.0)
    size = max(num_seeds, num_cells)
    for order in permutations(range(size)):
        pairs = [(s, c) for s, c in enumerate(order) if s < num_seeds and c < num_cells]
        near = [apart[s, c] for s, c in pairs if apart[s, c] <= reach[c]]
        best = min(best, (-len(near), float(sum(near))))
    return -best[0], best[1]


@pytest.mark.parametrize("seed", range(8))
def test_as_many_pairs_as_can_be_and_the_nearest_of_these(seed: int) -> None:
    random = np.random.default_rng(seed)
    seeds, cells = random.uniform(0, 20, (random.integers(0, 6), 2)), random.uniform(0, 20, (5, 2))
    reach = random.uniform(1, 9, 5)
    found = match(seeds, cells, reach=reach)
    apart = np.linalg.norm(seeds[:, None] - cells[None], axis=-1)
    assert (found.distances <= reach[found.cells]).all()
    assert len(set(found.seeds)) == len(set(found.cells)) == len(found.seeds)
    np.testing.assert_array_equal(found.distances, apart[found.seeds, found.cells])
    number, total = best_by_trying(apart, reach)
    assert len(found.seeds) == number
    assert found.distances.sum() == pytest.approx(total)


def test_one_pair_more_is_worth_any_distance() -> None:
    """The nearest pair of all is given up: with it the other cell would have no seed."""
    found = match(
        np.array([[0.0, 1.0], [0.0, 9.0]]),
        np.array([[0.0, 0.0], [0.0, 1.1]]),
        reach=np.array([2.0, 8.0]),
    )
    assert list(zip(found.seeds, found.cells, strict=True)) == [(0, 0), (1, 1)]


def test_kinds_are_counted_apart_and_a_cell_once() -> None:
    cells = cells_at((10, 10, 0, 5), (30, 30, 1, 8), (50, 50, 2, 2))
    seeds = seeds_at((11, 10, 0), (9, 10, 0), (30, 33, 1), (50, 50, 0), (53, 50, 2))
    assert count_outcomes(seeds, cells).tolist() == [[1, 2, 0], [1, 0, 0], [0, 1, 1]]
    # The rim of the platelet's circle, at one and a half radii, is within.
    assert count_outcomes(seeds, cells, reach=1.5)[2].tolist() == [1, 0, 0]
    assert count_outcomes(seeds, cells, reach=1.4)[2].tolist() == [0, 1, 1]
    # Twice as far away the platelet's seed counts, too.
    assert count_outcomes(seeds, cells, reach=2.0)[2].tolist() == [1, 0, 0]


def test_nothing_found_and_nothing_there() -> None:
    nothing, cells = seeds_at(), cells_at()
    assert count_outcomes(nothing, cells).tolist() == [[0, 0, 0]] * 3
    assert count_outcomes(seeds_at((1, 1, 2)), cells).tolist() == [[0, 0, 0]] * 2 + [[0, 1, 0]]
    assert count_outcomes(nothing, cells_at((1, 1, 0, 5)))[0].tolist() == [0, 0, 1]


def test_rows_that_only_fill_up_are_no_cells() -> None:
    rows = np.array([[3, 4, 10, 6, 1], [0, 0, 0, 0, -1]], np.float32)
    found = true_cells(rows)
    assert [values.tolist() for values in found] == [[3.0], [4.0], [1], [6.0]]
