"""Convolution by the kernels in `native`, with its gradients.

y = conv_native(image, kernel, bias, (1, 1), ((1, 1), (1, 1)))
"""

from collections.abc import Sequence
from functools import partial
from math import prod

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.nn.cpu_convolution import Pads, Pair, output_size
from wbc_jax.nn.native import library

# The kernels read whole registers of up to 16 channels and features.
_WINOGRAD_MULTIPLE = 16
_WINOGRAD_KERNELS = ((3, 3), (5, 5))
# Winograd's tiles against the direct sum, one pass over 32 images on two cores (AVX-512), ms:
# 50x50x64 -> 64: 14 to 31; 12x12x256 -> 256: 8 to 24; 13x13x64 -> 128: 2.5 to 4.0; 5x5 kernel,
# 25x25x32 -> 96: 6.2 to 16; 6x6x512 -> 512: 9 to 25; 4x4x256 -> 256: 1.3 to 2.2. On 3x3x512 -> 512
# it takes 5.7 to 4.5: most of a tile is then padding.
_WINOGRAD_MIN_POSITIONS = 16
# Tiles of 8 pixels spend more on their transforms than those of 6, for the same products.
_LARGE_TILE_COST = 1.1
# With so few channels a tap is too short for a loop of its own: with the padding written out, the
# taps of one kernel row lie side by side. 50x50x3 -> 32, forward: 3.6 ms to 1.6.
_MERGE_MAX_CHANNELS = 8
# Length of the row of zeros that stands for padding in the C code.
MAX_CHANNELS = 16384


def winograd_pairs(
    kernel_shape: Sequence[int], strides: Pair, output_size: Sequence[int], pads: Pads
) -> int:
    """Returns the tile that a convolution is done in: of 2 * pairs + 2 pixels; 0 for none.

    Args:
        kernel_shape: rows, columns, channels, features.
        strides: rows, columns.
        output_size: rows, columns.
        pads: before and after, of rows and of columns.
    """
    taps, multiples = kernel_shape[0], kernel_shape[2:]
    if (
        strides != (1, 1)
        or tuple(kernel_shape[:2]) not in _WINOGRAD_KERNELS
        or any(number % _WINOGRAD_MULTIPLE for number in multiples)
        or prod(output_size) < _WINOGRAD_MIN_POSITIONS
        or max(*pads[0], *pads[1]) >= taps
    ):
        return 0

    def products(pairs: int) -> int:
        side = 2 * pairs + 2
        return prod(-(-size // (side + 1 - taps)) * side for size in output_size)

    return 3 if _LARGE_TILE_COST * products(3) < products(2) else 2


def _float32(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def conv_native(
    image: Float[Array, "b h w c"],
    kernel: Float[Array, "kh kw c f"],
    bias: Float[Array, " f_or_0"],
    strides: Pair,
    pads: Pads,
) -> Float[Array, "b oh ow f"]:
    """`lax.conv_general_dilated` for NHWC and HWIO, plus a bias, in float32.

    Args:
        image: at most `MAX_CHANNELS` channels.
        kernel: filter taps.
        bias: one number per feature, or none at all.
        strides: rows, columns.
        pads: before and after, of rows and of columns.

    Returns:
        The convolution.

    Source: Lavin and Gray (2016) for 3x3 and 5x5 kernels of stride 1.
    """
    return _forward(image, kernel, bias, strides, pads)[0]


def _forward(
    image: Array, kernel: Array, bias: Array, strides: Pair, pads: Pads
) -> tuple[Array, tuple[Array, ...]]:
    size = output_size(image.shape[1:3], kernel.shape[:2], strides, pads)
    result = _float32(image.shape[0], *size, kernel.shape[-1])
    padded, written = _write_padding(image, pads)
    handler, attributes = _choose("", kernel.shape, strides, size, pads, written)
    output = library.call(handler, result, padded, kernel, bias, attributes=attributes)
    return output, (image, kernel, bias)


def _choose(
    direction: str, kernel_shape: Sequence[int], strides: Pair, size: Pair, pads: Pads, written: Pads
) -> tuple[str, tuple[int, ...]]:
    """Returns the handler for one direction of a convolution, and its attributes.

    `written` are the pads that the handler is to add, of the `pads` there are.
    """
    pairs = winograd_pairs(kernel_shape, strides, size, pads)
    if pairs:
        return f"wbc_winograd{direction}", (pads[0][0], pads[1][0], pairs)
    return f"wbc_conv{direction}", (*strides, written[0][0], written[1][0])


def _write_padding(image: Array, pads: Pads) -> tuple[Array, Pads]:
    """Returns an image of few channels with its padding in memory, and the padding left to add."""
    if image.shape[-1] > _MERGE_MAX_CHANNELS or not any(pads[1]):
        return image, pads
    return jnp.pad(image, ((0, 0), *pads, (0, 0))), ((0, 0), (0, 0))


def _backward(
    strides: Pair, pads: Pads, residuals: tuple[Array, ...], gradient: Array
) -> tuple[Array, Array, Array]:
    image, kernel, bias = residuals
    padded, written = _write_padding(image, pads)
    size = (gradient.shape[1], gradient.shape[2])
    handler, attributes = _choose("_kernel_gradient", kernel.shape, strides, size, pads, written)
    results = (_float32(*kernel.shape), _float32(kernel.shape[-1]))
    by_kernel, by_bias = library.call(handler, results, padded, gradient, attributes=attributes)
    by_image = _image_gradient(gradient, kernel, image.shape, strides, pads)
    return by_image, by_kernel, by_bias[: len(bias)]


def _image_gradient(
    gradient: Array, kernel: Array, image_shape: Sequence[int], strides: Pair, pads: Pads
) -> Array:
    size = (image_shape[1], image_shape[2])
    if winograd_pairs(kernel.shape, strides, size, pads):
        # The full convolution: what the forward pass did not pad, this one does.
        reach = kernel.shape[0] - 1
        (top, bottom), (left, right) = pads
        pads = ((reach - top, reach - bottom), (reach - left, reach - right))
    handler, attributes = _choose("_image_gradient", kernel.shape, strides, size, pads, pads)
    return library.call(
        handler, _float32(*image_shape), gradient, kernel, attributes=attributes
    )


conv_native.defvjp(_forward, _backward)


def can_call(image: Array, kernel: Array) -> bool:
    """Whether `conv_native` serves these arrays here; `lax` must, where it does not."""
    return (
        image.dtype == kernel.dtype == jnp.float32
        and image.size > 0
        and kernel.shape[1] * kernel.shape[2] <= MAX_CHANNELS
        and kernel.shape[3] <= MAX_CHANNELS
        and library.is_available()
    )


