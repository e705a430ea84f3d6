"""Moves images about, on the device: mirror, crop, turn, scale, cut out.

warped = warp(images, random_linear_maps(key, 32, rotation=180.0, scale=0.1, shear=0.1), shift)
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Bool, Float, Int, Key, UInt8

_LEAST_IN_VIEW = 0.25  # of a cell's box, for the cell to count


def mirror(
    images: UInt8[Array, "b h w c"], chosen: Bool[Array, " b"], *, axis: int
) -> UInt8[Array, "b h w c"]:
    """Mirrors those images that are chosen: left to right (axis 2) or upside down (axis 1)."""
    return jnp.where(chosen[:, None, None, None], jnp.flip(images, axis), images)


def crop(
    images: UInt8[Array, "b h w c"], offsets: Int[Array, "b 2"], margin: int
) -> UInt8[Array, "b h w c"]:
    """Cuts a window of the images' own size out of each, widened by `margin` on every side.

    Args:
        images: 0 to 255.
        offsets: (row, column) of each window's corner, 0 to 2 * margin; margin is no shift.
        margin: pixels added on every side, filled with the edge's colour.

    Returns:
        The windows.
    """
    padded = jnp.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    cut = partial(lax.dynamic_slice, slice_sizes=images.shape[1:])
    return jax.vmap(lambda image, offset: cut(image, (*offset, 0)))(padded, offsets)


def random_linear_maps(
    key: Key[Array, ""], count: int, *, rotation: float, scale: float, shear: float
) -> Float[Array, "{count} 2 2"]:
    """Draws maps that turn, scale and squeeze.

    Args:
        key: of the draw.
        count: how many.
        rotation: largest turn to either side, degrees.
        scale: sizes change by a factor from 1 - scale to 1 / (1 - scale), evenly in its logarithm.
        shear: the same for the ratio of the two axes, which are turned at random.

    Returns:
        Matrices from (row, column) in the result to (row, column) in the image, about its centre.
    """
    turn_key, axis_key, scale_key, shear_key = jax.random.split(key, 4)

    def uniform(key: Key[Array, ""], most: float) -> Float[Array, " n"]:
        return jax.random.uniform(key, (count,), minval=-most, maxval=most)

    turn = jnp.deg2rad(uniform(turn_key, rotation))
    axis = uniform(axis_key, math.pi / 2)
    size = jnp.exp(uniform(scale_key, -math.log1p(-scale)))
    ratio = jnp.exp(uniform(shear_key, -math.log1p(-shear) / 2))
    zero = jnp.zeros_like(size)
    stretch = jnp.stack([size * ratio, zero, zero, size / ratio], axis=-1).reshape(count, 2, 2)
    return _rotations(turn - axis) @ stretch @ _rotations(axis)


def _rotations(angle: Float[Array, " n"]) -> Float[Array, "n 2 2"]:
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([cosine, -sine, sine, cosine], axis=-1).reshape(-1, 2, 2)


def warp(
    images: UInt8[Array, "b h w c"], linear: Float[Array, "b 2 2"], shift: Float[Array, "b 2"]
) -> UInt8[Array, "b h w c"]:
    """Resamples images under affine maps, bilinearly; beyond an image its edge goes on.

    Args:
        images: 0 to 255.
        linear: from (row, column) in the result to (row, column) in the image, about its centre.
        shift: added to them, pixels of the image.

    Returns:
        The images of the maps, in the same shape.
    """
    height, width = images.shape[1:3]
    middle = jnp.array([(height - 1) / 2, (width - 1) / 2])
    grid = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij"), axis=-1)
    asked = jnp.einsum("bij,hwj->bihw", linear, grid - middle)
    asked = asked + (shift + middle)[:, :, None, None]

    def resample(
        image: Float[Array, "h w c"], places: Float[Array, "2 h w"]
    ) -> Float[Array, "h w c"]:
        channel = partial(map_coordinates, coordinates=list(places), order=1, mode="nearest")
        return jax.vmap(channel, in_axes=-1, out_axes=-1)(image)

    return to_uint8(jax.vmap(resample)(images.astype(jnp.float32), asked))


def move_cells(
    cells: Float[Array, "b m 5"],
    linear: Float[Array, "b 2 2"],
    shift: Float[Array, "b 2"],
    size: tuple[int, int],
) -> Float[Array, "b m 5"]:
    """Returns where cells are after `warp` under the same maps.

    A cell is taken for the ellipse in its box. Its box is cut at the frame, as annotators draw it,
    and it is dropped where less than a quarter of the box is left in view.

    Args:
        cells: row, column, half the height, half the width in pixels, and the kind; below 0: none.
        linear: from (row, column) in the result to (row, column) in the image, about its centre.
        shift: added to them, pixels of the image.
        size: rows, columns of the images.

    Returns:
        The same in pixels of the result; of a dropped cell the kind is -1.
    """
    forth = jnp.linalg.inv(linear)
    middle = (jnp.array(size) - 1) / 2
    center = jnp.einsum("bij,bmj->bmi", forth, cells[..., :2] - middle - shift[:, None]) + middle
    half = jnp.sqrt(jnp.einsum("bij,bmj->bmi", jnp.square(forth), jnp.square(cells[..., 2:4])))
    # A box's edges lie between pixels: the frame's are half a pixel beyond the outer ones' middles.
    low = jnp.maximum(center - half, -0.5)
    high = jnp.minimum(center + half, jnp.array(size) - 0.5)
    seen = jnp.maximum(high - low, 0.0)
    share = seen.prod(axis=-1) / jnp.maximum(4 * half.prod(axis=-1), 1e-6)
    kind = jnp.where(share < _LEAST_IN_VIEW, -1.0, cells[..., 4])
    return jnp.concatenate([(low + high) / 2, seen / 2, kind[..., None]], axis=-1)


def cut_out(
    images: UInt8[Array, "b h w c"], key: Key[Array, ""], side: int
) -> UInt8[Array, "b h w c"]:
    """Covers a square of each image, whose centre lies anywhere in it, with its mean colour.

    Args:
        images: 0 to 255.
        key: of the places.
        side: of the square, pixels.
    """
    count, height, width = images.shape[:3]
    places = jax.random.uniform(key, (2, count, 1, 1))

    def covered(place: Float[Array, "b 1 1"], size: int) -> Bool[Array, "b 1 {size}"]:
        return jnp.abs(jnp.arange(size) + 0.5 - place * size) <= side / 2

    rows = jnp.swapaxes(covered(places[0], height), 1, 2)
    inside = (rows & covered(places[1], width))[..., None]
    mean = to_uint8(images.astype(jnp.float32).mean(axis=(1, 2), keepdims=True))
    return jnp.where(inside, mean, images)


def to_uint8(images: Float[Array, "..."]) -> UInt8[Array, "..."]:
    """Rounds to whole numbers and clips to 0 to 255."""
    return jnp.clip(jnp.round(images), 0, 255).astype(jnp.uint8)
