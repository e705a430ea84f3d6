"""Normalizations: Linen's batch and layer norm with our defaults, and local response.

x = normalize(x, "batch", train=train)
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from wbc_jax.errors import UserError
from wbc_jax.nn.lowering import native_serves
from wbc_jax.nn.native.normalization import batch_norm_native, batch_norm_pool_native
from wbc_jax.nn.pooling import MaxPool

NORMALIZATIONS = ("batch", "group", "layer", "local_response")
_GROUPS = 32  # Wu and He (2018), section 4; fewer where the channels do not divide by it


class BatchNorm(nn.Module):
    """`flax.linen.BatchNorm` with the addition and the ReLU that may follow it in the same pass.

    Parameters, running statistics and results are Linen's; under a mesh of one `data` axis the
    statistics are global. Sums are float32, the result has the image's dtype.

    The variance is E[x^2] - mean^2, as Linen's, so its relative error grows with the square of mean
    over standard deviation. Of maps of 3x224x224 it is 2e-5 by the kernels in `native` (8e-7 by
    XLA) where the two are equal, and 7e-4 (2e-5) where the mean is ten times the deviation.

    Attributes:
        relu: whether the positive part is taken at the end.
        momentum: kept share of the running statistics per step. Linen's 0.99 would still be three
            tenths initial values after the 124 steps of the study's first epoch.
        epsilon: added to the variance.
        scale_init: of the scale.
    """

    relu: bool = False
    momentum: float = 0.9
    epsilon: float = 1e-5
    scale_init: nn.initializers.Initializer = nn.initializers.ones_init()

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "*b c"],
        residual: Float[Array, "*b c"] | None = None,
        *,
        train: bool = False,
        pool_window: tuple[int, int] | None = None,
    ) -> Float[Array, "..."]:
        """Returns the normalised map, plus `residual` where there is one.

        Args:
            image: any values.
            residual: added before the ReLU.
            train: normalise by the batch and update the running statistics; else use those.
            pool_window: take the largest value of windows side by side after the ReLU, in the same
                pass; only in training, without a residual and where `native_serves`.
        """
        shape = (image.shape[-1],)
        scale = self.param("scale", self.scale_init, shape)
        bias = self.param("bias", nn.initializers.zeros_init(), shape)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape)
        if not train:
            mean, var = running_mean.value, running_var.value
            return _normalise(image, scale, bias, residual, mean, var, self)
        if pool_window is not None:
            output, mean, var = batch_norm_pool_native(
                image, scale, bias, self.epsilon, pool_window
            )
        elif native_serves(image):
            if residual is None:
                residual = jnp.zeros((0,), image.dtype)
            else:  # what the kernel reads
                residual = jnp.broadcast_to(residual, image.shape).astype(image.dtype)
            output, mean, var = batch_norm_native(
                image, scale, bias, residual, self.epsilon, self.relu
            )
        else:
            wide, axes = image.astype(jnp.float32), tuple(range(image.ndim - 1))
            mean = wide.mean(axes)
            var = jnp.maximum(jnp.square(wide).mean(axes) - jnp.square(mean), 0.0)
            output = _normalise(image, scale, bias, residual, mean, var, self)
        if not self.is_initializing():
            kept, new = self.momentum, 1 - self.momentum
            running_mean.value = kept * running_mean.value + new * mean
            running_var.value = kept * running_var.value + new * var
        return output


def _normalise(
    image: Array,
    scale: Array,
    bias: Array,
    residual: Array | None,
    mean: Array,
    var: Array,
    layer: BatchNorm,
) -> Array:
    output = (image - mean) * (scale * lax.rsqrt(var + layer.epsilon)) + bias
    if residual is not None:
        output = output + residual
    output = nn.relu(output) if layer.relu else output
    return output.astype(image.dtype)


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
    image: Float[Array, "*b c"],
    kind: str,
    *,
    train: bool,
    relu: bool = False,
    pool: MaxPool | None = None,
) -> Float[Array, "..."]:
    """Applies a new normalization layer; to be called inside a compact module.

    Args:
        image: any values.
        kind: one of `NORMALIZATIONS`.
        train: with "batch", normalise by the batch and update the running statistics; else use
            those.
        relu: whether the positive part is taken after it.
        pool: applied at the end, in the same pass over memory where that is possible.

    Returns:
        The normalised map, in the image's dtype.

    Raises:
        UserError: `kind` is not known.
    """
    match kind:
        case "batch":
            norm = BatchNorm(relu=relu)
            if pool is not None and pool.is_tiling and train and relu and native_serves(image):
                return norm(image, train=True, pool_window=pool.window)
            output = norm(image, train=train)
        case "group":
            groups = math.gcd(image.shape[-1], _GROUPS)
            output = nn.GroupNorm(num_groups=groups, epsilon=1e-5, dtype=image.dtype)(image)
            output = nn.relu(output) if relu else output
        case "layer":
            output = LayerNorm(dtype=image.dtype)(image)
            output = nn.relu(output) if relu else output
        case "local_response":
            output = LocalResponseNorm()(image)
            output = nn.relu(output) if relu else output
        case _:
            raise UserError(
                f"norm={kind!r} is not known; choose one of {', '.join(NORMALIZATIONS)}"
            )
    return output if pool is None else pool(output)
