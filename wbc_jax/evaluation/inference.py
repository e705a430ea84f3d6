"""The logits of every example, each exactly once, whatever the batch size.

predict = make_predict(model, to_input, mesh, images, batch_size=100)
logits = predict(state.variables)                       # NumPy, [n, k]
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Float, UInt8

from wbc_jax.data.replication import put_everywhere
from wbc_jax.training.sharding import replicated, split_by_example
from wbc_jax.training.train_state import Variables


def pad_to_batches(
    images: UInt8[np.ndarray, "n h w c"], batch_size: int
) -> UInt8[np.ndarray, "steps b h w c"]:
    """Arranges images in full batches; the last is filled up with copies of the first image."""
    padding = np.repeat(images[:1], -len(images) % batch_size, axis=0)
    return np.concatenate([images, padding]).reshape(-1, batch_size, *images.shape[1:])


def make_predict(
    model: nn.Module,
    to_input: Callable[[UInt8[Array, "b h w c"]], Float[Array, "b h w 3"]],
    mesh: Mesh,
    images: UInt8[np.ndarray, "n h w c"],
    *,
    batch_size: int,
    flips: bool = False,
) -> Callable[[Variables], Float[np.ndarray, "n k"]]:
    """Puts images on the devices and returns what computes their logits.

    Args:
        model: called with an image and `train=False`.
        to_input: uint8 images to standardised bands.
        mesh: whose devices share each batch.
        images: 0 to 255, at least one.
        batch_size: images per step; changes no result but for rounding.
        flips: average the probabilities over the image, its mirror images left to right and upside
            down, and both; the logits are then logarithms of these means.

    Returns:
        `predict(variables) -> logits`: row i is that of image i; the padding is cut off.
    """
    # No more padding than one batch: a set smaller than a batch is one smaller batch.
    batch_size = min(batch_size, -(-len(images) // mesh.size) * mesh.size)
    batches = put_everywhere(list(pad_to_batches(images, batch_size)), replicated(mesh))
    by_example = split_by_example(mesh)

    # Whole on every device: a process reads only what its own devices hold.
    @partial(jax.jit, out_shardings=replicated(mesh))
    def logits_of(variables: Variables, batch: Array) -> Array:
        batch = lax.with_sharding_constraint(batch, by_example)

        def logits_of_images(images: Array) -> Any:
            return model.apply(variables, to_input(images), train=False)

        return average_views(logits_of_images, batch, flips=flips)

    def predict(variables: Variables) -> np.ndarray:
        # One call each, and at most two under way: a signal is heard between them, and what is
        # under way then has to end before the state can be saved.
        parts, before = [], None
        for batch in batches:
            logits = logits_of(variables, batch)
            if before is not None:
                parts.append(np.asarray(before))
            before = logits
        return np.concatenate([*parts, np.asarray(before)])[: len(images)]

    return predict


def average_views(
    logits_of: Callable[[UInt8[Array, "b h w c"]], Float[Array, "b k"]],
    batch: UInt8[Array, "b h w c"],
    *,
    flips: bool,
) -> Float[Array, "b k"]:
    """Returns the logits of a batch, or of the mean of its mirror images' probabilities.

    Args:
        logits_of: from images to logits.
        batch: 0 to 255.
        flips: as of `make_predict`.
    """
    if not flips:
        return logits_of(batch)
    logits = jnp.stack([logits_of(jnp.flip(batch, axes)) for axes in ((), 1, 2, (1, 2))])
    log_mean = jax.nn.logsumexp(jax.nn.log_softmax(logits), axis=0)
    return log_mean - jnp.log(4.0)
