"""Heat maps: hills where the cells are, and seeds read back from them."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logit

from wbc_jax.seeds.heat_maps import SeedReader, draw_heat_maps, mean_of_maps
from wbc_jax.seeds.seed_points import Seeds, above

# row, column, half the height, half the width, kind
CELLS = np.array(
    [
        [20, 30, 10, 10, 0],
        [44, 50, 12, 9, 0],
        [60, 20, 20, 22, 1],
        [8, 70, 4, 4, 2],
        [0] * 4 + [-1],
    ],
    np.float32,
)
READER = SeedReader(stride=4, thresholds=(0.5, 0.5, 0.5), apart=(8.0, 30.0, 5.0))


def maps(cells: np.ndarray = CELLS, *, spread: float = 0.4) -> np.ndarray:
    drawn = draw_heat_maps(jnp.asarray(cells[None]), size=(20, 24), stride=4, spread=spread)
    return np.asarray(drawn[0])


def test_a_hill_is_one_at_its_cell_and_falls_by_its_radius() -> None:
    red, white, platelet = np.moveaxis(maps(), -1, 0)
    # The map's pixel 5 covers rows 20 to 23, pixel 4 rows 16 to 19: 20 is nearest to 5's middle.
    row, column = round((20 - 1.5) / 4), round((30 - 1.5) / 4)
    assert red[row, column] == 1.0
    assert red[row + 1, column] == pytest.approx(np.exp(-0.5), rel=1e-5)  # 0.4 * 10 / 4 pixels
    assert (white == 1).sum() == (platelet == 1).sum() == 1
    assert (red == 1).sum() == 2
    assert red.max() <= 1
    assert red.min() >= 0


def test_where_hills_overlap_the_higher_one_counts() -> None:
    """A sum would be above 1, and the loss takes that for a cell's centre."""
    cells = np.array([[20, 30, 10, 10, 0], [20, 34, 10, 10, 0]], np.float32)
    alone = [maps(cells[place : place + 1]) for place in range(2)]
    np.testing.assert_array_equal(maps(cells), np.maximum(*alone))
    assert maps(cells).max() == 1


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param([20, 30, 10, 20, 0], id="by the shorter side"),
        pytest.param([8, 30, 4, 4, 2], id="never narrower than a pixel"),
    ],
)
def test_how_wide_a_hill_is(cell: list[float]) -> None:
    """One pixel of the map is one standard deviation of either."""
    own = maps(np.array([cell], np.float32))[..., int(cell[4])]
    row, column = np.unravel_index(own.argmax(), own.shape)
    assert own[row + 1, column] == pytest.approx(np.exp(-0.5), rel=1e-5)


def test_rows_that_fill_up_draw_nothing() -> None:
    np.testing.assert_array_equal(maps(CELLS[:4]), maps())
    assert not maps(CELLS[4:]).any()


def test_seeds_are_read_back_where_the_cells_are() -> None:
    """To a pixel of the map: half a stride each way is lost by drawing on its pixels."""
    seeds = READER(logit(np.clip(maps(), 1e-6, 1 - 1e-6)).astype(np.float32))
    found = sorted(zip(seeds.kinds, seeds.rows, seeds.columns, strict=True))
    true = sorted((int(kind), row, column) for row, column, _, _, kind in CELLS[:4])
    assert [kind for kind, _, _ in found] == [kind for kind, _, _ in true]
    for (_, row, column), (_, true_row, true_column) in zip(found, true, strict=True):
        assert abs(row - true_row) <= 2
        assert abs(column - true_column) <= 2
    assert (seeds.scores > 0.99).all()


def test_of_two_hills_that_are_too_near_the_higher_is_kept() -> None:
    answer = np.zeros((20, 24, 3), np.float32)
    answer[5, 5], answer[5, 8], answer[5, 15] = 0.9, 0.8, 0.7
    near = SeedReader(stride=4, thresholds=(0.5,) * 3, apart=(16.0, 30.0, 5.0))
    seeds = near(logit(np.clip(answer, 1e-6, 1)).astype(np.float32))
    scores = [seeds.scores[seeds.kinds == kind].round(2).tolist() for kind in range(3)]
    np.testing.assert_allclose(scores[0], [0.9, 0.7], atol=1e-5)
    np.testing.assert_allclose(scores[1], [0.9, 0.7], atol=1e-5)
    np.testing.assert_allclose(scores[2], [0.9, 0.8, 0.7], atol=1e-5)


def read(answer: np.ndarray, threshold: float, apart: float) -> Seeds:
    """Reads maps of probabilities, which one half comes through unchanged."""
    reader = SeedReader(stride=4, thresholds=(threshold,) * 3, apart=(apart,) * 3)
    return reader(logit(np.clip(answer, 1e-6, 1)).astype(np.float32))


@pytest.mark.parametrize(
    ("distance", "threshold", "number"), [(16.0, 0.5, 2), (16.1, 0.5, 1), (16.0, 0.51, 1)]
)
def test_the_least_distance_and_the_threshold_themselves_are_enough(
    distance: float, threshold: float, number: int
) -> None:
    answer = np.zeros((20, 24, 3), np.float32)
    answer[5, 5], answer[5, 9] = 0.75, 0.5
    seeds = read(answer, threshold, distance)
    assert len(seeds.rows) == 3 * number
    assert len(above(seeds, (0.5,) * 3).rows) == 3 * number


def test_a_hilltop_is_no_lower_than_its_neighbours_across() -> None:
    answer = np.zeros((20, 24, 3), np.float32)
    answer[5, 5], answer[6, 6] = 0.9, 0.8
    seeds = read(answer, 0.5, 1.0)
    np.testing.assert_allclose(seeds.scores, np.full(3, 0.9), atol=1e-6)


def test_a_place_between_pixels_is_found_by_the_parabola() -> None:
    down, right = np.mgrid[:20, :24]
    bell = np.exp(-((down - 9.3) ** 2 + (right - 12.8) ** 2) / 8)
    seeds = READER(logit(np.clip(np.repeat(bell[..., None], 3, -1), 1e-6, 1 - 1e-6)).astype("f4"))
    np.testing.assert_allclose(seeds.rows, 9.3 * 4 + 1.5, atol=0.4)
    np.testing.assert_allclose(seeds.columns, 12.8 * 4 + 1.5, atol=0.4)


def test_a_hilltop_at_the_edge_stays_in_the_picture() -> None:
    answer = np.zeros((20, 24, 3), np.float32)
    answer[0, 0], answer[19, 23], answer[0, 10], answer[0, 11] = 0.9, 0.9, 0.9, 0.6
    seeds = READER(logit(np.clip(answer, 1e-6, 1)).astype(np.float32))
    rows, columns = (values[seeds.kinds == 2] for values in (seeds.rows, seeds.columns))
    np.testing.assert_allclose(rows, [1.5, 1.5, 77.5])  # middles of the first and last pixels
    assert columns[[0, 2]].tolist() == [1.5, 93.5]
    assert 10 * 4 + 1.5 < columns[1] < 10.5 * 4 + 1.5  # along the edge there are neighbours


def test_a_flat_map_has_seeds_apart_and_takes_little_memory() -> None:
    """A network that has not learned answers so; all pairs of its pixels would be 4.6 GB."""
    reader = SeedReader(stride=4, thresholds=(0.5,) * 3, apart=(80.0, 80.0, 80.0))
    seeds = reader(np.full((120, 200, 3), 20, np.float32))
    rows, columns = (values[seeds.kinds == 0] for values in (seeds.rows, seeds.columns))
    assert 50 <= len(rows) <= 80  # squares of 80 pixels: 60
    distances = np.hypot(rows[:, None] - rows, columns[:, None] - columns)
    assert distances[~np.eye(len(rows), dtype=bool)].min() >= 80.0


def test_the_mean_over_mirror_images_is_that_of_the_maps_turned_back() -> None:
    one = jnp.asarray(logit(np.clip(maps(), 0.01, 0.99)))[None]
    axes = ((), (1,), (2,), (1, 2))
    same = mean_of_maps([jnp.flip(one, axis) for axis in axes], axes)
    np.testing.assert_allclose(same, one, rtol=1e-4)
    # Of the maps, not of their logits, which would be that of 0.75.
    unlike = mean_of_maps([jnp.full_like(one, logit(p)) for p in (0.2, 0.9)], axes[:2])
    np.testing.assert_allclose(unlike, logit(0.55), rtol=1e-4)
    other = mean_of_maps([one, jnp.flip(one, 1)], axes[:1] * 2)
    assert np.abs(np.asarray(other - one)).max() > 0.1
