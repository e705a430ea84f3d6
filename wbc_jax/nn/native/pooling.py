"""Max pooling by the kernels in this folder, with its gradient.

y = max_pool_native(x, (2, 2), (2, 2), ((0, 1), (0, 1)))
"""

from functools import partial

import jax
from jaxtyping import Array, Float

from wbc_jax.nn.native import library
from wbc_jax.nn.windows import Pads, Pair, output_size


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def max_pool_native(
    image: Float[Array, "b h w c"], window: Pair, strides: Pair, pads: Pads
) -> Float[Array, "b oh ow c"]:
    """The largest value in each window; of equal ones the first has the gradient, as in XLA's.

    Args:
        image: any values; a multiple of 16 channels.
        window: rows, columns.
        strides: rows, columns.
        pads: before and after, of rows and of columns; smaller than the window.
    """
    size = output_size(image.shape[1:3], window, strides, pads)
    shape = (image.shape[0], *size, image.shape[3])
    result = jax.ShapeDtypeStruct(shape, image.dtype)
    return library.call(
        "wbc_max_pool", result, image, attributes=_attributes(window, strides, pads)
    )


def _attributes(window: Pair, strides: Pair, pads: Pads) -> tuple[int, ...]:
    return (*window, *strides, pads[0][0], pads[1][0])


def _forward(image: Array, window: Pair, strides: Pair, pads: Pads) -> tuple[Array, Array]:
    return max_pool_native(image, window, strides, pads), image


def _backward(
    window: Pair, strides: Pair, pads: Pads, image: Array, gradient: Array
) -> tuple[Array]:
    result = jax.ShapeDtypeStruct(image.shape, image.dtype)
    attributes = _attributes(window, strides, pads)
    return (library.call("wbc_max_pool_gradient", result, image, gradient, attributes=attributes),)


max_pool_native.defvjp(_forward, _backward)
