"""Images are moved as SciPy and NumPy move them, by maps within the ranges that are asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from wbc_jax.data import geometry

pytestmark = pytest.mark.usefixtures("quick_compilation")
IDENTITY = np.eye(2)


_warp = jax.jit(geometry.warp)
_cut_out = jax.jit(geometry.cut_out, static_argnums=2)


def draw_images(num: int, height: int = 5, width: int = 6, channels: int = 3) -> np.ndarray:
    shape = (num, height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def warp(images: np.ndarray, linear: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The same map for every image, unless there is one for each."""
    count = len(images)
    linear = np.broadcast_to(linear, (count, 2, 2)).astype(np.float32)
    shift = np.broadcast_to(shift, (count, 2)).astype(np.float32)
    warped = _warp(images, linear, shift)
    assert warped.dtype == jnp.uint8
    return np.asarray(warped)


@pytest.mark.parametrize("axis", [1, 2])
def test_those_images_are_mirrored_that_are_chosen(axis: int) -> None:
    images = draw_images(4)
    chosen = np.array([True, False, False, True])
    mirrored = np.asarray(geometry.mirror(jnp.asarray(images), jnp.asarray(chosen), axis=axis))
    assert mirrored.dtype == np.uint8
    turned = {1: np.flipud, 2: np.fliplr}[axis]
    for got, image, is_chosen in zip(mirrored, images, chosen, strict=True):
        np.testing.assert_array_equal(got, turned(image) if is_chosen else image)


def test_a_crop_is_a_window_of_the_padded_image() -> None:
    images, margin = draw_images(4), 2
    offsets = np.array([[2, 2], [0, 4], [4, 0], [1, 3]])
    cropped = np.asarray(geometry.crop(jnp.asarray(images), jnp.asarray(offsets), margin))
    assert cropped.dtype == np.uint8
    assert cropped.shape == images.shape
    np.testing.assert_array_equal(cropped[0], images[0])  # margin is no shift
    for got, image, (row, column) in zip(cropped, images, offsets, strict=True):
        padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        np.testing.assert_array_equal(got, padded[row : row + 5, column : column + 6])


@pytest.mark.parametrize("channels", [1, 3])
def test_warping_is_scipys_affine_transform(channels: int) -> None:
    random = np.random.default_rng(1)
    height, width = 13, 18
    images = draw_images(12, height, width, channels)
    linear = random.normal(size=(12, 2, 2)) * random.uniform(0.3, 2, (12, 1, 1))
    shift = random.uniform(-4, 4, (12, 2))
    warped = warp(images, linear, shift)
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    for got, image, matrix, offset in zip(warped, images, linear, shift, strict=True):
        for channel in range(channels):
            expected = ndimage.affine_transform(
                image[..., channel].astype(np.float64),
                matrix,
                offset=offset + middle - matrix @ middle,
                order=1,
                mode="nearest",
            )
            # Half a gray value from rounding, a little from places in float32.
            np.testing.assert_allclose(got[..., channel], expected, atol=0.51)


@pytest.mark.parametrize(("height", "width"), [(5, 6), (8, 8), (1, 3)])
def test_the_identity_changes_nothing(height: int, width: int) -> None:
    images = draw_images(3, height, width)
    np.testing.assert_array_equal(warp(images, IDENTITY, np.zeros(2)), images)


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_numpys(size: int, quarters: int) -> None:
    images = draw_images(3, size, size)
    quarter = np.array([[0, 1], [-1, 0]])
    warped = warp(images, np.linalg.matrix_power(quarter, quarters), np.zeros(2))
    np.testing.assert_array_equal(warped, np.rot90(images, quarters, axes=(1, 2)))


def test_whole_shifts_move_pixels_and_repeat_the_edge() -> None:
    images = draw_images(2, 7, 9)
    warped = warp(images, IDENTITY, np.array([2, -3]))
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="edge")
    np.testing.assert_array_equal(warped, padded[:, 5:12, 0:9])


def draw_maps(count: int = 4000, **ranges: float) -> np.ndarray:
    nothing = {"rotation": 0.0, "scale": 0.0, "shear": 0.0}
    maps = geometry.random_linear_maps(jax.random.key(0), count, **(nothing | ranges))
    return np.asarray(maps, np.float64)


def angles_of(rotations: np.ndarray) -> np.ndarray:
    return np.rad2deg(np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0]))


def require_even(values: np.ndarray, least: float, most: float) -> None:
    """Evenly spread over all of the range, and nowhere else."""
    slack = 1e-4 * (most - least)
    assert least - slack <= values.min() < least + 0.01 * (most - least)
    assert most - 0.01 * (most - least) < values.max() <= most + slack
    counts, _ = np.histogram(values, bins=10, range=(least - slack, most + slack))
    expected = len(values) / 10
    assert np.abs(counts - expected).max() < 4.5 * expected**0.5


def test_maps_of_no_range_are_the_identity() -> None:
    np.testing.assert_allclose(draw_maps(7), np.broadcast_to(IDENTITY, (7, 2, 2)), atol=1e-6)


@pytest.mark.parametrize("most", [20.0, 180.0])
def test_turns_are_even_and_keep_shapes(most: float) -> None:
    maps = draw_maps(rotation=most)
    np.testing.assert_allclose(
        maps @ maps.transpose(0, 2, 1), np.broadcast_to(IDENTITY, maps.shape), atol=1e-5
    )
    np.testing.assert_allclose(np.linalg.det(maps), 1, atol=1e-5)
    require_even(angles_of(maps), -most, most)


def test_sizes_are_even_in_their_logarithm() -> None:
    maps = draw_maps(scale=0.25)
    factors = np.sqrt(np.linalg.det(maps))
    np.testing.assert_allclose(maps, factors[:, None, None] * IDENTITY, atol=1e-5)
    require_even(np.log(factors), np.log(0.75), np.log(1 / 0.75))


def test_shears_keep_the_area_and_have_every_direction() -> None:
    maps = draw_maps(shear=0.3)
    np.testing.assert_allclose(np.linalg.det(maps), 1, atol=1e-5)
    np.testing.assert_allclose(maps, maps.transpose(0, 2, 1), atol=1e-5)  # nothing is turned
    left, singular, _ = np.linalg.svd(maps)
    require_even(np.log(singular[:, 0] / singular[:, 1]), 0, np.log(1 / 0.7))
    direction = np.rad2deg(np.arctan2(left[:, 1, 0], left[:, 0, 0])) % 180
    require_even(direction, 0, 180)


def test_all_together_stay_within_their_ranges() -> None:
    maps = draw_maps(rotation=30.0, scale=0.2, shear=0.3)
    left, singular, right = np.linalg.svd(maps)
    require_even(np.log(singular.prod(axis=1)) / 2, np.log(0.8), np.log(1 / 0.8))
    require_even(np.log(singular[:, 0] / singular[:, 1]), 0, np.log(1 / 0.7))
    require_even(angles_of(left @ right), -30, 30)  # the turn of the polar decomposition


def cut_out(images: np.ndarray, side: int, seed: int = 0) -> np.ndarray:
    covered = _cut_out(jnp.asarray(images), jax.random.key(seed), side)
    assert covered.dtype == jnp.uint8
    return np.asarray(covered)


@pytest.mark.parametrize("side", [1, 4, 5])
def test_what_is_cut_out_is_a_square_of_the_mean_colour(side: int) -> None:
    height, width = 11, 14
    # No pixel has the mean's colour, so that it tells what is covered.
    images = draw_images(300, height, width) % 100
    images[:, ::2] += 155
    covered = cut_out(images, side)
    inside = (covered != images).any(-1)
    shapes = set()
    for got, image, mask in zip(covered, images, inside, strict=True):
        mean = image.mean(axis=(0, 1))
        np.testing.assert_allclose(got[mask], np.broadcast_to(mean, (mask.sum(), 3)), atol=0.51)
        rows, columns = mask.any(1).sum(), mask.any(0).sum()
        assert mask.sum() == rows * columns  # a rectangle
        found = ndimage.find_objects(mask.astype(int))[0]
        for number, span, size in ((rows, found[0], height), (columns, found[1], width)):
            assert number == span.stop - span.start
            # A whole side, unless the image's edge cuts it; half of it stays inside.
            assert number == side or (span.start == 0 or span.stop == size)
            assert side // 2 <= number <= side
        shapes.add((rows, columns))
    assert (side, side) in shapes


def test_every_place_is_cut_out_as_often_as_its_distance_from_the_edge_says() -> None:
    count, size, side = 4000, 8, 3
    images = np.zeros((count, size, size, 1), np.uint8)
    images[:, 0, 0] = 255  # the mean is 4, and no other pixel has that colour
    covered = (cut_out(images, side) == 4).mean(axis=(0, 3))
    centres = np.arange(size) + 0.5
    reach = np.minimum(centres + side / 2, size) - np.maximum(centres - side / 2, 0)
    expected = np.outer(reach, reach) / size**2
    assert np.abs(covered - expected).max() < 4.5 * (0.25 / count) ** 0.5


def test_rounding_and_clipping() -> None:
    values = jnp.array([-3.0, -0.4, 0.6, 254.4, 255.4, 300.0])
    assert geometry.to_uint8(values).tolist() == [0, 0, 1, 254, 255, 255]
