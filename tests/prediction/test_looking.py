"""How many pictures are kept until they are classified."""

import numpy as np
from PIL import Image

from wbc_jax.prediction.looking import Seen, in_groups
from wbc_jax.prediction.predictor import Sight
from wbc_jax.seeds.seed_points import Seeds

NO_SEEDS = Seeds(*(np.zeros(0, kind) for kind in ("f4", "f4", "i4", "f4")))


def seen(side: int, num_windows: int) -> Seen:
    inputs = np.zeros((num_windows, 2, 2, 3), np.uint8)
    return Seen("a", Sight(Image.new("RGB", (side, side)), NO_SEEDS, [], inputs))


def test_windows_fill_a_batch_and_large_pictures_do_not_fill_the_memory() -> None:
    small = [seen(100, 30) for _ in range(5)]
    assert [len(group) for group in in_groups(iter(small))] == [3, 2]
    without = [seen(100, 0) for _ in range(65)]
    assert [len(group) for group in in_groups(iter(without))] == [64, 1]
    large = [seen(3000, 1) for _ in range(10)]  # 9 million pixels each
    assert [len(group) for group in in_groups(iter(large))] == [4, 4, 2]
