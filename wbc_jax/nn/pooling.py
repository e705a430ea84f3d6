"""Max pooling with a gradient that is fast on the CPU.

y = max_pool(x, window=(2, 2), strides=(2, 2), padding="SAME")     # as flax.linen.max_pool
"""

from functools import reduce

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from wbc_jax.nn.lowering import native_serves, takes_plain_operations
from wbc_jax.nn.native.pooling import max_pool_native
from wbc_jax.nn.windows import Pads, output_size, place_views


def _max_of_slices(
    image: Float[Array, "b h w c"],
    window: tuple[int, int],
    strides: tuple[int, int],
    pads: Pads,
) -> Float[Array, "b oh ow c"]:
    """The maximum of one strided slice per window position."""
    size = output_size(image.shape[1:3], window, strides, pads)
    padded = jnp.pad(image, ((0, 0), *pads, (0, 0)), constant_values=-jnp.inf)
    return reduce(jnp.maximum, place_views(padded, window, strides, size))


def max_pool(
    image: Float[Array, "b h w c"],
    *,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: str = "SAME",
) -> Float[Array, "b oh ow c"]:
    """The largest value in each window; padding never wins.

    Where several values of a window are equal, the first has the gradient; in XLA's CPU form,
    used where the kernels in `native` cannot be, they share it.

    Args:
        image: any values.
        window: rows, columns.
        strides: rows, columns.
        padding: "SAME" or "VALID".

    Returns:
        The pooled map; oh and ow follow XLA's rule for `padding`.
    """
    if takes_plain_operations():
        return nn.max_pool(image, window, strides, padding)
    vertical, horizontal = lax.padtype_to_pads(image.shape[1:3], window, strides, padding)
    if native_serves(image):
        return max_pool_native(image, window, strides, (vertical, horizontal))
    return _max_of_slices(image, window, strides, (vertical, horizontal))


class MaxPool(nn.Module):
    """`max_pool` as a layer, so that it has a name and is counted in a table of layers.

    Attributes:
        window: rows, columns.
        strides: rows, columns.
        padding: "SAME" (never shrinks a map below 1x1) or "VALID".
    """

    window: tuple[int, int] = (2, 2)
    strides: tuple[int, int] = (2, 2)
    padding: str = "SAME"

    @property
    def is_tiling(self) -> bool:
        """Whether the windows lie side by side from the first pixel on and reach the last."""
        # SAME puts padding before the image as well, once more than one pixel is missing.
        return self.window == self.strides and max(self.window) <= 2 and self.padding == "SAME"

    @nn.compact
    def __call__(self, image: Float[Array, "b h w c"]) -> Float[Array, "b oh ow c"]:
        """Returns the pooled map."""
        return max_pool(image, window=self.window, strides=self.strides, padding=self.padding)
