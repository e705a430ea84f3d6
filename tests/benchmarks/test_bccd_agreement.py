"""Two annotations of one place are compared where both could see it."""

import numpy as np

from benchmarks.bccd_agreement import Annotated, compare, read_overlaps


def annotated(*cells: tuple[float, float, int]) -> Annotated:
    rows, columns, kinds = np.array(cells, np.float64).T
    return Annotated(np.column_stack([rows, columns]), kinds.astype(int), np.full(len(rows), 40.0))


def test_cells_are_compared_where_both_see_them() -> None:
    """The second photograph lies 100 rows lower on the slide: it sees rows from 100 on."""
    shift = np.array([-100.0, 0.0])
    first = annotated((300, 300, 0), (240, 500, 0), (30, 300, 0), (250, 100, 1))
    second = annotated((210, 300, 0), (300, 200, 0), (150, 100, 1), (450, 300, 0))
    # The first and the white cell are in both; two red cells have no partner; two are not seen.
    assert compare(first, second, shift).tolist() == [[2, 4], [2, 2], [0, 0]]
    assert compare(second, first, -shift).tolist() == [[2, 4], [2, 2], [0, 0]]


def test_the_published_pairs_have_names_and_shifts() -> None:
    overlaps = read_overlaps()
    assert len(overlaps) > 30
    assert all(first < second and shift.shape == (2,) for first, second, shift in overlaps)
