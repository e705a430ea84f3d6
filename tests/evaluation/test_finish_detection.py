"""What is told of a detector beside its figures over all pictures."""

from tests.evaluation.test_detection_scores import CELLS, SEEDS
from tests.seeds.test_matching import cells_at, seeds_at
from wbc_jax.evaluation.detection_scores import mean_figures
from wbc_jax.evaluation.finish_detection import _with_red_cells


def test_pictures_in_which_nobody_looked_for_red_cells_are_left_out() -> None:
    cells = [cells_at((20, 60, 1, 9)), *CELLS]
    seeds = [seeds_at((20, 60, 1), (40, 40, 0)), *SEEDS]
    found = _with_red_cells(seeds, cells)
    assert found["num_pictures"] == 2  # the last has a platelet alone
    assert str(found["per_kind"]) == str(mean_figures(SEEDS[:2], CELLS[:2]))
    assert _with_red_cells(seeds[:1], cells[:1]) == {"num_pictures": 0, "per_kind": None}
