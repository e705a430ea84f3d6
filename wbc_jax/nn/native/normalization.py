"""Batch norm with what follows it, by the kernels in this folder, with its gradient.

output, mean, var = batch_norm_native(x, scale, bias, residual, epsilon=1e-5, relu=True)
"""

from functools import partial
from math import prod

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.nn.native import library


def _like(array: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def batch_norm_native(
    image: Float[Array, "*b c"],
    scale: Float[Array, " c"],
    bias: Float[Array, " c"],
    residual: Float[Array, "..."],
    epsilon: float,
    relu: bool,
) -> tuple[Float[Array, "*b c"], Float[Array, " c"], Float[Array, " c"]]:
    """Normalises by the statistics of the batch, adds, and takes the positive part.

    Args:
        image: any values.
        scale: per channel.
        bias: per channel.
        residual: added after scale and bias; of the image's shape, or of shape (0,).
        epsilon: added to the variance.
        relu: whether the positive part is taken at the end.

    Returns:
        The output, and mean and variance of `image` per channel; through these two no gradient
        flows, they are for running averages. `wbc_jax.nn.BatchNorm` says how exact they are.
    """
    return _forward(image, scale, bias, residual, epsilon, relu)[0]


def _forward(
    image: Array, scale: Array, bias: Array, residual: Array, epsilon: float, relu: bool
) -> tuple[tuple[Array, Array, Array], tuple[Array, ...]]:
    gain, shift, mean, var = _affine(image, scale, bias, epsilon)
    arguments = (image, gain, shift, residual)
    output = library.call("wbc_affine", _like(image), *arguments, attributes=(relu,))
    return (output, mean, var), (*arguments, mean, jax.lax.rsqrt(var + epsilon))


def _affine(
    image: Array, scale: Array, bias: Array, epsilon: float
) -> tuple[Array, Array, Array, Array]:
    """Returns what normalising by the batch multiplies with and adds, and the statistics."""
    total, squares = library.call("wbc_moments", (_like(scale), _like(scale)), image)
    count = prod(image.shape[:-1])
    mean = total / count
    var = jnp.maximum(squares / count - jnp.square(mean), 0.0)
    gain = scale * jax.lax.rsqrt(var + epsilon)
    return gain, bias - mean * gain, mean, var


def _through_statistics(
    image: Array, gain: Array, mean: Array, deviation: Array, total: Array, product: Array
) -> tuple[Array, Array]:
    """Returns what of the image's gradient comes through mean and variance: a * image + b."""
    count = prod(image.shape[:-1])
    by_image = -gain * jnp.square(deviation) * product / count
    return by_image, -gain * total / count - by_image * mean


def _backward(
    epsilon: float, relu: bool, residuals: tuple[Array, ...], gradients: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array, Array]:
    del epsilon
    # `deviation` is one over the standard deviation.
    image, gain, shift, residual, mean, deviation = residuals
    known = (image, gradients[0], gain, shift, residual)
    per_channel = _like(gain)
    total, product = library.call(
        "wbc_affine_sums", (per_channel, per_channel), *known, mean, attributes=(relu,)
    )
    by_image, constant = _through_statistics(image, gain, mean, deviation, total, product)
    image_gradient, residual_gradient = library.call(
        "wbc_affine_gradient",
        (_like(image), _like(residual)),
        *known,
        by_image,
        constant,
        attributes=(relu,),
    )
    return image_gradient, deviation * product, total, residual_gradient


batch_norm_native.defvjp(_forward, _backward)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def batch_norm_pool_native(
    image: Float[Array, "b h w c"],
    scale: Float[Array, " c"],
    bias: Float[Array, " c"],
    epsilon: float,
    window: tuple[int, int],
) -> tuple[Float[Array, "b oh ow c"], Float[Array, " c"], Float[Array, " c"]]:
    """`batch_norm_native` with ReLU, then the largest value of windows side by side.

    Args:
        image: any values.
        scale: per channel.
        bias: per channel.
        epsilon: added to the variance.
        window: rows and columns; the last may reach beyond the image.

    Returns:
        The pooled output, and mean and variance of `image` per channel.
    """
    return _forward_pool(image, scale, bias, epsilon, window)[0]


def _forward_pool(
    image: Array, scale: Array, bias: Array, epsilon: float, window: tuple[int, int]
) -> tuple[tuple[Array, Array, Array], tuple[Array, ...]]:
    gain, shift, mean, var = _affine(image, scale, bias, epsilon)
    batch, height, width, channels = image.shape
    shape = (batch, -(-height // window[0]), -(-width // window[1]), channels)
    result = jax.ShapeDtypeStruct(shape, image.dtype)
    attributes = (*window, *window, 0, 0)
    output = library.call("wbc_affine_pool", result, image, gain, shift, attributes=attributes)
    return (output, mean, var), (image, gain, shift, mean, jax.lax.rsqrt(var + epsilon))


def _backward_pool(
    epsilon: float,
    window: tuple[int, int],
    residuals: tuple[Array, ...],
    gradients: tuple[Array, Array, Array],
) -> tuple[Array, Array, Array]:
    del epsilon
    image, gain, shift, mean, deviation = residuals
    known = (image, gradients[0], gain, shift)
    attributes = (*window, *window, 0, 0)
    total, product = library.call(
        "wbc_affine_pool_sums", (_like(gain), _like(gain)), *known, mean, attributes=attributes
    )
    through = _through_statistics(image, gain, mean, deviation, total, product)
    by_image = library.call(
        "wbc_affine_pool_gradient", _like(image), *known, *through, attributes=attributes
    )
    return by_image, deviation * product, total


batch_norm_pool_native.defvjp(_forward_pool, _backward_pool)
