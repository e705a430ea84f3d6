"""Means that make a network calmer: of pairs of images, and of the weights over the steps.

image, mixed_loss = mix_up(image, loss, key, alpha=0.2)
average = running_mean(average, variables, decay=0.999, step=state.step)
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from wbc_jax.training.losses import Loss


def mix_up(
    image: Float[Array, "b h w c"], loss: Loss, key: Key[Array, ""], alpha: float
) -> tuple[Float[Array, "b h w c"], Loss]:
    """Blends every image with another of its batch, and the loss accordingly.

    The weight is the same for a whole batch and at least a half, so that an image's own label is
    the one that metrics compare with.

    Args:
        image: network input, any values.
        loss: of each example, linear in the target.
        key: of this batch.
        alpha: of the Beta distribution of the weight, above 0; the larger, the more is mixed.

    Returns:
        The blends, and the loss of their logits and the images' own labels.

    Source: Zhang et al. (2018), section 2.
    """
    weight_key, order_key = jax.random.split(key)
    weight = jax.random.beta(weight_key, alpha, alpha)
    weight = jnp.maximum(weight, 1 - weight)
    others = jax.random.permutation(order_key, len(image))

    def mixed_loss(logits: Float[Array, "b k"], labels: Int[Array, " b"]) -> Float[Array, " b"]:
        return weight * loss(logits, labels) + (1 - weight) * loss(logits, labels[others])

    return weight * image + (1 - weight) * image[others], mixed_loss


def running_mean(average: Any, now: Any, decay: float, step: Int[Array, ""]) -> Any:
    """Returns the exponential running mean of the weights after one more step.

    Args:
        average: after `step` steps; what it holds before the first does not count.
        now: the weights of this step, the same tree.
        decay: of what was before; smaller in the first steps, (1 + step) / (10 + step) at most, so
            that the initial weights are soon forgotten.
        step: number of steps in `average`.

    Source: Polyak and Juditsky (1992); the rise as in TensorFlow's moving average.
    """
    kept = jnp.where(step == 0, 0.0, jnp.minimum(decay, (1 + step) / (10 + step)))
    return jax.tree.map(lambda old, new: kept * old + (1 - kept) * new, average, now)
