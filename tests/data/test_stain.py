"""Stains change by one factor and one addend each, in optical density; black is no stain."""

import jax
import numpy as np
import pytest

from wbc_jax.data import stain

pytestmark = pytest.mark.usefixtures("quick_compilation")
# Ruifrok and Johnston (2001): haematoxylin, eosin and DAB; red, green and blue.
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
STAINS = STAINS / np.linalg.norm(STAINS, axis=1, keepdims=True)


_jitter = jax.jit(stain.jitter, static_argnums=2)


def draw_amounts(count: int) -> np.ndarray:
    """Amounts of three stains, so small that no colour is near black."""
    return np.random.default_rng(0).uniform(0.2, 0.7, (count, 6, 7, 3))


def to_image(amounts: np.ndarray) -> np.ndarray:
    return np.exp(-amounts @ STAINS).astype(np.float32)


def to_amounts(images: np.ndarray) -> np.ndarray:
    return -np.log(images.astype(np.float64)) @ np.linalg.inv(STAINS)


def jitter(images: np.ndarray, most: float, seed: int = 0) -> np.ndarray:
    return np.asarray(_jitter(images, jax.random.key(seed), most))


def test_no_change_is_the_identity_to_rounding() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (4, 9, 9, 3)).astype(np.float32) / 255
    # Black in one channel alone is taken for the darkest gray value but one.
    np.testing.assert_allclose(
        jitter(colours, 0.0), np.maximum(colours, 1 / 255), rtol=1e-4, atol=1e-6
    )


def test_each_stain_of_an_image_gets_a_factor_and_an_addend_within_their_ranges() -> None:
    count, most = 400, 0.2
    amounts = draw_amounts(count)
    changed = to_amounts(jitter(to_image(amounts), most))
    factors, addends = np.empty((2, count, 3))
    for i in range(count):
        for j in range(3):
            x, y = amounts[i, ..., j].ravel(), changed[i, ..., j].ravel()
            factors[i, j], addends[i, j] = np.polyfit(x, y, 1)
            np.testing.assert_allclose(factors[i, j] * x + addends[i, j], y, atol=1e-4)
    for found, middle, reach in ((factors, 1, most), (addends, 0, most / 4)):
        assert np.abs(found - middle).max() <= reach + 1e-4
        # 1200 draws fill the range evenly, and each stain's are its own.
        assert np.abs(found - middle).max() > 0.97 * reach
        assert found.mean() == pytest.approx(middle, abs=4 * reach / (3 * 1200) ** 0.5)
        assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.25
    assert np.abs(np.corrcoef(factors.ravel(), addends.ravel())[0, 1]) < 0.15


def test_black_stays_black_and_its_neighbours_change() -> None:
    images = to_image(draw_amounts(3))
    images[:, :2] = 0
    images[:, 2] = 2 / 255
    changed = jitter(images, 0.3)
    np.testing.assert_array_equal(changed[:, :3], images[:, :3])
    assert (np.abs(changed[:, 3:] - images[:, 3:]).max(axis=(1, 2, 3)) > 0.01).all()


def test_the_key_decides() -> None:
    images = to_image(draw_amounts(2))
    np.testing.assert_array_equal(jitter(images, 0.1), jitter(images, 0.1))
    assert not np.allclose(jitter(images, 0.1), jitter(images, 0.1, seed=1))
