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
        flows, they are for running averages.
    """
    return _forward(image, scale, bias, residual, epsilon, relu)[0]


def _forward(
    image: Array, scale: Array, bias: Array, residual: Array, epsilon: float, relu: bool
) -> tuple[tuple[Array, Array, Array], tuple[Array, ...]]:
    per_channel = _like(scale)
    total, squares = library.call("wbc_moments", (per_channel, per_channel), image, attributes=())
    count = prod(image.shape[:-1])
    mean = total / count
    var = jnp.maximum(squares / count - jnp.square(mean), 0.0)
    deviation = jax.lax.rsqrt(var + epsilon)
    gain = scale * deviation
    shift = bias - mean * gain
    arguments = (image, gain, shift, residual)
    output = library.call("wbc_affine", _like(image), *arguments, attributes=(relu,))
    return (output, mean, var), (image, gain, shift, residual, mean, deviation)


def _backward(
    epsilon: float, relu: bool, residuals: tuple[Array, ...], gradients: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array, Array]:
    del epsilon
    image, gain, shift, residual, mean, deviation = residuals
    known = (image, gradients[0], gain, shift, residual)
    per_channel = _like(gain)
    total, product = library.call(
        "wbc_affine_sums", (per_channel, per_channel), *known, mean, attributes=(relu,)
    )
    count = prod(image.shape[:-1])
    by_image = -gain * jnp.square(deviation) * product / count
    constant = -gain * total / count - by_image * mean
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
