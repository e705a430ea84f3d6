"""Mirroring and cropping do what they say, to those images, as often as they say."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.data.augmentation import augment, crop_images, mirror_images


def draw_images(num: int, size: int = 5, channels: int = 3) -> np.ndarray:
    shape = (num, size, size + 1, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_those_images_are_mirrored_left_to_right() -> None:
    images = draw_images(4)
    flip = np.array([True, False, False, True])
    mirrored = np.asarray(mirror_images(jnp.asarray(images), jnp.asarray(flip)))
    assert mirrored.dtype == np.uint8
    for got, image, flipped in zip(mirrored, images, flip, strict=True):
        np.testing.assert_array_equal(got, np.fliplr(image) if flipped else image)


def test_a_crop_is_a_window_of_the_padded_image() -> None:
    images, margin = draw_images(4), 2
    offsets = np.array([[2, 2], [0, 4], [4, 0], [1, 3]])
    cropped = np.asarray(crop_images(jnp.asarray(images), jnp.asarray(offsets), margin))
    assert cropped.dtype == np.uint8
    assert cropped.shape == images.shape
    np.testing.assert_array_equal(cropped[0], images[0])  # margin is no shift
    for got, image, (row, column) in zip(cropped, images, offsets, strict=True):
        padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        np.testing.assert_array_equal(got, padded[row : row + 5, column : column + 6])


def test_without_mirror_and_margin_nothing_changes() -> None:
    images = jnp.asarray(draw_images(3))
    same = augment(images, jax.random.key(0), mirror=False, crop_margin=0)
    np.testing.assert_array_equal(same, images)


@pytest.mark.parametrize("channels", [1, 3])
def test_half_of_the_images_are_mirrored_and_every_shift_occurs(channels: int) -> None:
    # One image many times: what became of it tells which flip and shift it got.
    num, margin = 2000, 1
    image = draw_images(1, channels=channels)[0]
    run = jax.jit(partial(augment, mirror=True, crop_margin=margin))
    results = np.asarray(run(jnp.asarray(np.repeat(image[None], num, axis=0)), jax.random.key(3)))
    assert results.dtype == np.uint8
    counts = {}
    for flipped in (False, True):
        padded = np.pad(np.fliplr(image) if flipped else image, ((1, 1), (1, 1), (0, 0)), "edge")
        for row in range(3):
            for column in range(3):
                window = padded[row : row + 5, column : column + 6]
                counts[flipped, row, column] = int((results == window).all((1, 2, 3)).sum())
    assert sum(counts.values()) == num  # nothing else came out
    mirrored = sum(count for (flipped, _, _), count in counts.items() if flipped)
    assert mirrored == pytest.approx(num / 2, abs=4 * (num / 4) ** 0.5)
    # 18 outcomes of 111 each, standard deviation 10.
    assert min(counts.values()) > 70
    assert max(counts.values()) < 152


def test_the_same_key_gives_the_same_images_and_another_key_others() -> None:
    images = jnp.asarray(draw_images(16))
    run = jax.jit(partial(augment, mirror=True, crop_margin=2))
    first = run(images, jax.random.key(0))
    np.testing.assert_array_equal(first, run(images, jax.random.key(0)))
    assert not np.array_equal(first, run(images, jax.random.key(1)))
