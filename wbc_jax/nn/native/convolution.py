"""Convolution by the kernels in this folder, with its gradients.

y = conv_native(image, kernel, bias, (1, 1), ((1, 1), (1, 1)), 2, False, False)
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.nn.native import library
from wbc_jax.nn.windows import Pads, Pair, output_size


def _float32(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5, 6, 7))
def conv_native(
    image: Float[Array, "b h w c"],
    kernel: Float[Array, "kh kw c f"],
    bias: Float[Array, " f_or_0"],
    strides: Pair,
    pads: Pads,
    pairs: int,
    write_padding: bool,
    half: bool,
) -> Float[Array, "b oh ow f"]:
    """`lax.conv_general_dilated` for NHWC and HWIO, plus a bias, in float32.

    An output of a Winograd tile is a sum over all pixels of the tile, in which those outside of its
    own window cancel: one that is not finite makes the whole tile so, and a huge one takes the
    others' digits. Values of neighbouring pixels should be of a like size.

    Args:
        image: any values.
        kernel: filter taps.
        bias: one number per feature, or none at all.
        strides: rows, columns.
        pads: before and after, of rows and of columns.
        pairs: 0 for the direct sum; 2 or 3 for Winograd tiles of 6 or 8 pixels, which serve 3x3 and
            5x5 kernels of stride 1 on multiples of 16 channels and features.
        write_padding: whether the padding is written to memory first; not with tiles.
        half: round the operands of the products to bfloat16 on the way, where the processor
            multiplies that (`library.has_half`); sums are float32.

    Returns:
        The convolution.

    Source: Lavin and Gray (2016) for the tiles.
    """
    return _forward(image, kernel, bias, strides, pads, pairs, write_padding, half)[0]


def _forward(
    image: Array,
    kernel: Array,
    bias: Array,
    strides: Pair,
    pads: Pads,
    pairs: int,
    write_padding: bool,
    half: bool,
) -> tuple[Array, tuple[Array, ...]]:
    image, pads_left = _write_padding(image, pads, write_padding)
    size = output_size(image.shape[1:3], kernel.shape[:2], strides, pads_left)
    result = _float32(image.shape[0], *size, kernel.shape[-1])
    handler, attributes = _handler("", strides, pads_left, pairs, half)
    output = library.call(handler, result, image, kernel, bias, attributes=attributes)
    return output, (image, kernel, bias)


def _write_padding(image: Array, pads: Pads, write_padding: bool) -> tuple[Array, Pads]:
    """Returns the image, with its padding in memory if so asked, and the padding left to add."""
    if not write_padding:
        return image, pads
    return jnp.pad(image, ((0, 0), *pads, (0, 0))), ((0, 0), (0, 0))


def _handler(
    direction: str, strides: Pair, pads: Pads, pairs: int, half: bool
) -> tuple[str, tuple[int, ...]]:
    """Returns the C function for one direction of a convolution, and its attributes."""
    corner = (pads[0][0], pads[1][0])
    if pairs:
        return f"wbc_winograd{direction}", (*corner, pairs, half)
    return f"wbc_conv{direction}", (*strides, *corner, half)


def _backward(
    strides: Pair,
    pads: Pads,
    pairs: int,
    write_padding: bool,
    half: bool,
    residuals: tuple[Array, ...],
    gradient: Array,
) -> tuple[Array, Array, Array]:
    image, kernel, bias = residuals
    pads_left = ((0, 0), (0, 0)) if write_padding else pads
    handler, attributes = _handler("_kernel_gradient", strides, pads_left, pairs, half)
    results = (_float32(*kernel.shape), _float32(kernel.shape[-1]))
    by_kernel, by_bias = library.call(handler, results, image, gradient, attributes=attributes)
    by_image = _image_gradient(gradient, kernel, image.shape, strides, pads_left, pairs, half)
    if write_padding:
        (top, bottom), (left, right) = pads
        height, width = image.shape[1:3]
        by_image = by_image[:, top : height - bottom, left : width - right]
    return by_image, by_kernel, by_bias[: len(bias)]


def _image_gradient(
    gradient: Array,
    kernel: Array,
    image_shape: Sequence[int],
    strides: Pair,
    pads: Pads,
    pairs: int,
    half: bool,
) -> Array:
    if pairs:
        # The full convolution: what the forward pass did not pad, this one does.
        reach = kernel.shape[0] - 1
        (top, bottom), (left, right) = pads
        pads = ((reach - top, reach - bottom), (reach - left, reach - right))
    handler, attributes = _handler("_image_gradient", strides, pads, pairs, half)
    result = _float32(*image_shape)
    return library.call(handler, result, gradient, kernel, attributes=attributes)


conv_native.defvjp(_forward, _backward)
