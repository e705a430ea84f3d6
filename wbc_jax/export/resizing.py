"""Pillow's bicubic resizing and grayscale as XLA operations, equal to the bit.

small = resize(images, (50, 50))             # as Image.resize((50, 50), BICUBIC) of each image
gray = to_gray(small)                        # as Image.convert("L")

Pillow resizes along one axis after the other; which one comes first depends on its version and the
sizes, so that is tried on Pillow itself. Each pass is a linear map with coefficients of 22 bits,
rounded to 8 bits at its end; for a size known beforehand it is a product with a matrix. The
coefficients are split into two parts whose products with pixels, and their sums, are integers below
2^24, which float32 holds exactly on every platform, whatever the order of the sums.

Source: Pillow's `src/libImaging/Resample.c` and `Convert.c`, by which the tests judge it.
"""

import jax.numpy as jnp
import numpy as np
import PIL
from jax import lax
from jaxtyping import Array, Float64, Int32, UInt8
from PIL import Image

from wbc_jax.errors import UserError

_BITS = 22  # of a coefficient's fraction
_LOW_BITS = 8  # of its lower part
_REACH = 2.0  # of the bicubic kernel, in pixels of the smaller image
_SHARPNESS = -0.5  # the kernel's parameter, often called a
MOST_SHRINKING = 64  # beyond it the sums of lower parts would exceed 2^24
_RED, _GREEN, _BLUE, _GRAY_BITS = 19595, 38470, 7471, 16  # ITU-R 601, as Pillow rounds it


def resize(images: UInt8[Array, "b h w c"], size: tuple[int, int]) -> UInt8[Array, "b oh ow c"]:
    """Resizes images of a fixed size by antialiased bicubic interpolation.

    Args:
        images: 0 to 255.
        size: rows, columns of the result.

    Raises:
        UserError: an axis shrinks to less than a 64th.
    """
    for axis in _order((images.shape[1], images.shape[2]), size):
        images = _resize_axis(images, axis, size[axis])
    return images


def to_gray(images: UInt8[Array, "b h w 3"]) -> UInt8[Array, "b h w 1"]:
    """Returns Pillow's luma of RGB images."""
    red, green, blue = (images[..., i : i + 1].astype(jnp.int32) for i in range(3))
    total = red * _RED + green * _GREEN + blue * _BLUE + (1 << (_GRAY_BITS - 1))
    return lax.shift_right_arithmetic(total, _GRAY_BITS).astype(jnp.uint8)


def coefficients(size: int, new_size: int) -> Int32[np.ndarray, "o i"]:
    """Returns the weights of one pass in units of 2^-22: row o makes pixel o of the result.

    Args:
        size: pixels along the axis.
        new_size: pixels of the result.

    Raises:
        UserError: the axis shrinks to less than a 64th.
    """
    if size > MOST_SHRINKING * new_size:
        raise UserError(
            f"input_size: {size} pixels cannot be resized to {new_size} in one step; give at most "
            f"{MOST_SHRINKING * new_size}"
        )
    scale = size / new_size
    stretch = max(scale, 1.0)
    weights = np.zeros((new_size, size))
    for row in range(new_size):
        center = (row + 0.5) * scale
        first = max(0, int(center - _REACH * stretch + 0.5))
        last = min(size, int(center + _REACH * stretch + 0.5))
        taps = _kernel((np.arange(first, last) - center + 0.5) / stretch)
        weights[row, first:last] = taps / np.cumsum(taps)[-1]  # summed one by one, as Pillow does
    return np.trunc(weights * 2**_BITS + np.copysign(0.5, weights)).astype(np.int32)


def _order(old: tuple[int, int], new: tuple[int, int]) -> tuple[int, ...]:
    """Returns the axes to resize, 0 for rows and 1 for columns, in Pillow's order."""
    changed = tuple(axis for axis in (1, 0) if old[axis] != new[axis])
    if len(changed) < 2:
        return changed
    probe = np.random.default_rng(0).integers(0, 256, old, dtype=np.uint8)
    expected = np.asarray(Image.fromarray(probe).resize(new[::-1], Image.Resampling.BICUBIC))
    for order in (changed, changed[::-1]):
        found = probe.astype(np.int64)
        for axis in order:
            taps = coefficients(old[axis], new[axis]).astype(np.int64)
            found = np.moveaxis(np.tensordot(taps, found, (1, axis)), 0, axis)
            found = np.clip((found + (1 << (_BITS - 1))) >> _BITS, 0, 255)
        if np.array_equal(found, expected):
            return order
    raise UserError(
        f"Pillow {PIL.__version__} resizes in a way that this version cannot export; install one "
        "of those in constraints.txt"
    )


def _resize_axis(images: Array, axis: int, new_size: int) -> Array:
    taps = coefficients(images.shape[1 + axis], new_size)
    pixels = images.astype(jnp.float32)
    terms = ("bhwc,oh->bowc", "bhwc,ow->bhoc")[axis]
    upper, lower = (
        jnp.einsum(terms, pixels, part.astype(np.float32), precision=lax.Precision.HIGHEST).astype(
            jnp.int32
        )
        for part in (taps >> _LOW_BITS, taps & (2**_LOW_BITS - 1))
    )
    total = (upper << _LOW_BITS) + lower + (1 << (_BITS - 1))
    rounded = lax.shift_right_arithmetic(total, _BITS)
    return jnp.clip(rounded, 0, 255).astype(jnp.uint8)


def _kernel(distance: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Keys' cubic convolution kernel (1981)."""
    x, a = np.abs(distance), _SHARPNESS
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
