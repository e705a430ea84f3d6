"""Resizing and grayscale as XLA operations against Pillow itself, bit by bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wbc_jax.errors import UserError
from wbc_jax.export.resizing import resize, to_gray

SIDES = st.integers(1, 90)


def draw_images(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Noise, and black and white, which overshoots most."""
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    extreme = np.where(random.random((rows, columns, 3)) < 0.5, 0, 255).astype(np.uint8)
    return np.stack([noise, extreme])


def by_pillow(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    resized = (
        Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC) for image in images
    )
    return np.stack([np.asarray(image) for image in resized])


@settings(deadline=None, max_examples=12)
@given(old=st.tuples(SIDES, SIDES), new=st.tuples(SIDES, SIDES))
def test_any_size_to_any_size(old: tuple[int, int], new: tuple[int, int]) -> None:
    if old[0] > 64 * new[0] or old[1] > 64 * new[1]:
        return
    images = draw_images(*old)
    np.testing.assert_array_equal(resize(jnp.asarray(images), new), by_pillow(images, new))


@pytest.mark.parametrize(
    ("old", "new"), [((240, 320), (300, 300)), ((300, 300), (50, 50)), ((1280, 90), (20, 50))]
)
def test_the_sizes_of_the_study_and_the_most_shrinking(
    old: tuple[int, int], new: tuple[int, int]
) -> None:
    images = draw_images(*old)
    compiled = jax.jit(lambda images: resize(images, new))
    np.testing.assert_array_equal(compiled(images), by_pillow(images, new))


def test_more_shrinking_is_refused() -> None:
    with pytest.raises(UserError, match="65 pixels cannot be resized to 1"):
        resize(jnp.asarray(draw_images(65, 1)), (1, 1))


def test_gray_is_pillows_luma_for_every_value() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(images[0]).convert("L"))
    np.testing.assert_array_equal(np.asarray(to_gray(jnp.asarray(images)))[0, ..., 0], expected)
