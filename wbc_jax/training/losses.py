"""Losses of one example each, from logits.

loss = LOSSES["binary_cross_entropy"](logits, labels).mean()
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from wbc_jax.errors import UserError


def binary_cross_entropy(
    logits: Float[Array, "*b k"], labels: Int[Array, "*b"]
) -> Float[Array, "*b"]:
    """Binary cross-entropy over the softmax outputs, the paper's loss.

    The mean over the k outputs p of -(y log p + (1 - y) log(1 - p)) with one-hot y, as Keras
    computes it for a softmax layer. Both logarithms come from the logits,
    log(1 - p_i) = logsumexp of the others - logsumexp of all, so that they and their gradients
    stay finite at logits of +-1e4, where Keras clips p at 1e-7.

    Args:
        logits: any finite values.
        labels: integers in [0, k).

    Returns:
        One loss >= 0 per example.

    Source: the paper, section III (loss of all four models).
    """
    num_classes = logits.shape[-1]
    others = ~jnp.eye(num_classes, dtype=bool)
    log_total = jax.nn.logsumexp(logits, axis=-1, keepdims=True)
    log_others = jax.nn.logsumexp(
        jnp.broadcast_to(logits[..., None, :], (*logits.shape, num_classes)), axis=-1, where=others
    )
    target = jax.nn.one_hot(labels, num_classes, dtype=bool)
    log_likelihood = jnp.where(target, logits, log_others) - log_total
    return -log_likelihood.mean(axis=-1)


def softmax_cross_entropy(
    logits: Float[Array, "*b k"], labels: Int[Array, "*b"]
) -> Float[Array, "*b"]:
    """Categorical cross-entropy.

    Args:
        logits: any finite values.
        labels: integers in [0, k).

    Returns:
        One loss >= 0 per example, in nats.
    """
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


Loss = Callable[[Array, Array], Array]


def smoothed(loss: Loss, smoothing: float) -> Loss:
    """Returns `loss` against labels of which a share is spread evenly over all classes.

    Both losses are linear in the target, so the smoothed loss is a mean of losses.

    Args:
        loss: one of `LOSSES`.
        smoothing: that share, in [0, 1); 0 returns `loss` itself.

    Raises:
        UserError: it lies elsewhere.

    Source: Szegedy et al. (2016), section 7.
    """
    if not 0 <= smoothing < 1:
        raise UserError(f"train.label_smoothing={smoothing} must lie in [0, 1); 0.1 is usual")
    if smoothing == 0:
        return loss

    def smoothed_loss(logits: Float[Array, "*b k"], labels: Int[Array, "*b"]) -> Float[Array, "*b"]:
        every_label = (jnp.full_like(labels, label) for label in range(logits.shape[-1]))
        spread = sum(loss(logits, label) for label in every_label) / logits.shape[-1]
        return (1 - smoothing) * loss(logits, labels) + smoothing * spread

    return smoothed_loss


LOSSES: dict[str, Loss] = {
    "binary_cross_entropy": binary_cross_entropy,
    "softmax_cross_entropy": softmax_cross_entropy,
}
