"""Normalizations: Linen's batch and layer norm with our defaults, and local response.

x = normalize(x, "batch", train=train, dtype=dtype)
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from wbc_jax.errors import UserError

NORMALIZATIONS = ("batch", "layer", "local_response")


class BatchNorm(nn.BatchNorm):
    """`flax.linen.BatchNorm`; under a mesh of one `data` axis its statistics are global.

    Attributes:
        momentum: kept share of the running statistics per step. Linen's 0.99 would still be half
            initial values after the 62 steps of the study's first epoch.
        epsilon: added to the variance.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5


class LayerNorm(nn.LayerNorm):
    """`flax.linen.LayerNorm` over the channels of each position: the same in both modes.

    Attributes:
        epsilon: added to the variance.
    """

    epsilon: float = 1e-5


class LocalResponseNorm(nn.Module):
    """Divides each value by the energy of its neighbours along the channels.

    b_i = a_i / (k + alpha * sum_j a_j^2) ^ beta over the `size` channels around i.
    Source: Krizhevsky, Sutskever and Hinton (2012), section 3.3, with its constants.

    Attributes:
        size: number of channels summed over (n in the paper), odd.
        k: additive constant.
        alpha: weight of the energy.
        beta: exponent.
    """

    size: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75

    @nn.compact
    def __call__(self, image: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        """Returns the normalised map."""
        leading = (1,) * (image.ndim - 1)
        energy = lax.reduce_window(
            jnp.square(image.astype(jnp.float32)),
            0.0,
            lax.add,
            (*leading, self.size),
            (*leading, 1),
            "SAME",
        )
        return image * ((self.k + self.alpha * energy) ** -self.beta).astype(image.dtype)


def normalize(
    image: Float[Array, "*b c"], kind: str, *, train: bool, dtype: Any = jnp.float32
) -> Float[Array, "*b c"]:
    """Applies a new normalization layer; to be called inside a compact module.

    Args:
        image: any values.
        kind: one of `NORMALIZATIONS`.
        train: with "batch", normalise by the batch and update the running statistics; else use
            those.
        dtype: of the computation.

    Returns:
        The normalised map.

    Raises:
        UserError: `kind` is not known.
    """
    match kind:
        case "batch":
            return BatchNorm(dtype=dtype)(image, use_running_average=not train)
        case "layer":
            return LayerNorm(dtype=dtype)(image)
        case "local_response":
            return LocalResponseNorm()(image)
    raise UserError(f"norm={kind!r} is not known; choose one of {', '.join(NORMALIZATIONS)}")
