"""Hashes of drawn smears: alike in every orientation, unlike between smears."""

import io

import numpy as np
import pytest
from PIL import Image

from wbc_jax.datasets.synthetic_smears import drawing
from wbc_jax.leakage.perceptual_hash import (
    ORIENTATIONS,
    best_orientation,
    distances,
    orient,
    perceptual_hashes,
)
from wbc_jax.leakage.twins import MOST_BITS


@pytest.fixture(scope="module")
def smears() -> list[np.ndarray]:
    return [drawing.draw_smear(np.random.default_rng([7, i]), "monocyte").picture for i in range(4)]


def bits(first: np.ndarray, second: np.ndarray) -> int:
    hashes = perceptual_hashes(first), perceptual_hashes(second)
    return int(distances(hashes[0][None, :1], hashes[1][None])[0, 0])


@pytest.mark.parametrize("orientation", range(len(ORIENTATIONS)))
def test_every_orientation_is_hashed_and_found_again(
    orientation: int, smears: list[np.ndarray]
) -> None:
    turned = orient(smears[0], orientation)
    hashes = perceptual_hashes(smears[0])
    assert perceptual_hashes(turned)[0] == hashes[orientation]
    assert len(set(hashes.tolist())) == 8
    back = best_orientation(hashes, perceptual_hashes(turned))
    np.testing.assert_array_equal(orient(turned, back), smears[0])


def test_recompression_scaling_and_brightness_change_few_bits(smears: list[np.ndarray]) -> None:
    picture = Image.fromarray(smears[1])
    buffer = io.BytesIO()
    picture.resize((200, 130)).point(lambda value: value * 0.8).save(buffer, "JPEG", quality=40)
    changed = np.asarray(Image.open(buffer))
    assert bits(smears[1], changed) <= MOST_BITS / 2
    assert bits(smears[1], orient(changed, 5)) <= MOST_BITS / 2


def test_smears_differ_in_more_bits_than_candidates_may(smears: list[np.ndarray]) -> None:
    hashes = np.array([perceptual_hashes(smear) for smear in smears])
    between = distances(hashes[:, :1], hashes)
    assert np.diag(between).tolist() == [0] * 4
    assert between[~np.eye(4, dtype=bool)].min() > MOST_BITS


def test_a_single_colour_and_a_single_pixel_have_a_hash() -> None:
    for shape in ((1, 1, 3), (240, 320, 3), (3, 500, 3)):
        assert perceptual_hashes(np.full(shape, 200, np.uint8)).shape == (8,)
