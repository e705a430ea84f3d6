"""A policy changes images as its fields say, and not at all where they say nothing."""

from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.data.augmentation import Augmentation
from wbc_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("quick_compilation")
EVERYTHING: dict[str, Any] = {
    "mirror": True,
    "flip": True,
    "crop_margin": 2,
    "rotation": 180.0,
    "scale": 0.2,
    "shear": 0.2,
    "light": 0.2,
    "stain": 0.1,
    "cutout": 0.3,
}


# Compiled once for each policy and shape.
_augment = jax.jit(Augmentation.__call__, static_argnums=0)


def draw_images(num: int, size: int = 5, channels: int = 3) -> np.ndarray:
    shape = (num, size, size + 1, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def augmented(images: np.ndarray, *, seed: int = 0, **policy: Any) -> np.ndarray:
    changed = _augment(Augmentation(**policy), jnp.asarray(images), jax.random.key(seed))
    assert changed.dtype == jnp.uint8
    assert changed.shape == images.shape
    return np.asarray(changed)


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_asked_for_changes_nothing(channels: int) -> None:
    images = draw_images(3, channels=channels)
    np.testing.assert_array_equal(augmented(images), images)


def test_everything_is_tried_here() -> None:
    assert set(EVERYTHING) == {field.name for field in fields(Augmentation)}


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_field_alone_changes_images_by_the_key(name: str) -> None:
    images, policy = draw_images(16, size=9), {name: EVERYTHING[name]}
    first = augmented(images, **policy)
    assert not np.array_equal(first, images)
    np.testing.assert_array_equal(first, augmented(images, **policy))
    assert not np.array_equal(first, augmented(images, seed=1, **policy))


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_at_once(channels: int) -> None:
    images = draw_images(16, size=9, channels=channels)
    first = augmented(images, **EVERYTHING)
    np.testing.assert_array_equal(first, augmented(images, **EVERYTHING))
    # Each image is changed in its own way.
    repeated = augmented(np.repeat(images[:1], 16, axis=0), **EVERYTHING)
    assert len({image.tobytes() for image in repeated}) == 16


def test_gray_images_have_no_stains() -> None:
    images = draw_images(4, channels=1)
    np.testing.assert_array_equal(augmented(images, stain=0.3), images)
    np.testing.assert_array_equal(
        augmented(images, stain=0.3, light=0.2), augmented(images, light=0.2)
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_half_of_the_images_are_mirrored_and_every_shift_occurs(channels: int) -> None:
    # One image many times: what became of it tells which flip and shift it got.
    num = 2000
    image = draw_images(1, channels=channels)[0]
    results = augmented(np.repeat(image[None], num, axis=0), seed=3, mirror=True, crop_margin=1)
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


def test_left_to_right_and_upside_down_are_drawn_apart() -> None:
    num, image = 2000, draw_images(1)[0]
    results = augmented(np.repeat(image[None], num, axis=0), mirror=True, flip=True)
    outcomes = (image, np.fliplr(image), np.flipud(image), image[::-1, ::-1])
    counts = [int((results == outcome).all((1, 2, 3)).sum()) for outcome in outcomes]
    assert sum(counts) == num
    assert max(abs(count - num / 4) for count in counts) < 4 * (num * 3 / 16) ** 0.5


def test_turned_images_are_shifted_in_the_same_pass_and_not_by_whole_pixels() -> None:
    # Ramps: away from the edges, a shift is a difference of gray values.
    num, size, margin = 500, 20, 3
    rows, columns = np.mgrid[:size, :size] * 12.0
    ramps = np.stack([rows, columns], -1)
    image = np.concatenate([ramps, ramps[..., :1]], -1).round().astype(np.uint8)
    # So small a turn that it moves nothing.
    results = augmented(np.repeat(image[None], num, axis=0), rotation=1e-4, crop_margin=margin)
    difference = results[:, 6:14, 6:14, :2].astype(float) - image[6:14, 6:14, :2]
    assert np.ptp(difference, axis=(1, 2)).max() <= 2  # rounding
    shifts = difference.mean(axis=(1, 2)) / 12
    assert np.abs(shifts).max() <= margin + 0.1
    assert np.abs(shifts).max(axis=0).min() > 0.97 * margin
    assert np.abs(np.corrcoef(shifts.T)[0, 1]) < 0.2
    counts, _ = np.histogram(shifts, bins=12, range=(-margin - 0.1, margin + 0.1))
    assert counts.min() > 40  # of 83


def test_light_changes_brightness_and_contrast_within_their_range() -> None:
    num, most = 600, 0.3
    # Neither black nor white comes near, so nothing is clipped.
    image = np.random.default_rng(0).integers(90, 140, (12, 12, 3)).astype(np.uint8)
    results = augmented(np.repeat(image[None], num, axis=0), light=most).astype(float)
    mean = image.mean()
    brightness = results.mean(axis=(1, 2, 3)) / mean
    deviation = image - mean
    contrast = (results * deviation).sum(axis=(1, 2, 3)) / (deviation**2).sum()
    for i in range(num):
        expected = mean * brightness[i] + deviation * contrast[i]
        np.testing.assert_allclose(results[i], expected, atol=1)  # they were rounded
    for found in (brightness, contrast):
        assert np.abs(found - 1).max() <= most + 0.01
        assert np.abs(found - 1).max() > 0.97 * most
        assert found.mean() == pytest.approx(1, abs=4 * most / (3 * num) ** 0.5)
    assert np.abs(np.corrcoef(brightness, contrast)[0, 1]) < 0.2


@pytest.mark.parametrize(("size", "share", "side"), [(10, 0.3, 3), (10, 0.01, 1), (10, 1.0, 10)])
def test_a_cut_out_is_a_share_of_the_side(size: int, share: float, side: int) -> None:
    # The mean, 127.5 or 128 rounded, is no pixel's colour.
    image = (np.indices((size, size)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None]
    results = augmented(np.repeat(image[None], 300, axis=0), cutout=share)
    rows = (results != image).any(axis=(2, 3)).sum(axis=1)
    columns = (results != image).any(axis=(1, 3)).sum(axis=1)
    assert rows.max() == columns.max() == side


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [
        ("crop_margin", -1, "2048"),
        ("rotation", 180.5, "180"),
        ("rotation", -1.0, "180"),
        ("scale", 0.91, "0.9"),
        ("shear", 1.0, "0.9"),
        ("light", float("nan"), "0.9"),
        ("stain", -0.1, "0.9"),
        ("stain", 1.0, "0.9"),
        ("cutout", 1.1, "1"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: float, most: str) -> None:
    message = rf"augment\.{name}={value} must lie between 0 \(off\) and {most}"
    with pytest.raises(UserError, match=message):
        Augmentation(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rotation", 180),
        ("scale", 0.9),
        ("shear", 0.9),
        ("light", 0.9),
        ("stain", 0.9),
        ("cutout", 1),
    ],
)
def test_the_ends_of_the_ranges_are_in_them(name: str, value: float) -> None:
    Augmentation(**{name: value})
