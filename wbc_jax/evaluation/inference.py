"""The logits of every example, each exactly once, whatever the batch size.

predict = make_predict(model, to_input, mesh, images, batch_size=100)
logits = predict(state.variables)                       # NumPy, [n, k]
"""

from collections.abc import Callable, Sequence
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

ToInput = Callable[[UInt8[Array, "b h w c"]], Float[Array, "b h w 3"]]
# Brings the answers to mirror images together, given the axes each was mirrored along.
MergeViews = Callable[[Sequence[Array], Sequence[tuple[int, ...]]], Array]
# Axes along which an image is mirrored for each of its four views.
MIRRORED: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (1, 2))


def mean_of_classes(
    logits: Sequence[Float[Array, "b k"]], axes: Sequence[tuple[int, ...]]
) -> Float[Array, "b k"]:
    """Returns the logarithms of the mean probabilities: a class is the same in a mirror image."""
    del axes
    log_mean = jax.nn.logsumexp(jax.nn.log_softmax(jnp.stack(logits)), axis=0)
    return log_mean - jnp.log(float(len(logits)))


def pad_to_batches(
    images: UInt8[np.ndarray, "n h w c"], batch_size: int
) -> UInt8[np.ndarray, "steps b h w c"]:
    """Arranges images in full batches; the last is filled up with copies of the first image."""
    padding = np.repeat(images[:1], -len(images) % batch_size, axis=0)
    return np.concatenate([images, padding]).reshape(-1, batch_size, *images.shape[1:])


def make_logits(
    model: nn.Module, to_input: ToInput, *, flips: bool, merge: MergeViews = mean_of_classes
) -> Callable[[Variables, UInt8[Array, "b h w c"]], Float[Array, "b ..."]]:
    """Returns a pure function of weights and images, to be compiled.

    Args:
        model: called with an image and `train=False`.
        to_input: uint8 images to standardised bands.
        flips: average over the image, its mirror images left to right and upside down, and both.
        merge: how the answers to mirror images are brought together.
    """

    def logits_of(variables: Variables, batch: Array) -> Array:
        views = MIRRORED if flips else MIRRORED[:1]
        logits: Any = [
            model.apply(variables, to_input(jnp.flip(batch, axes)), train=False) for axes in views
        ]
        return merge(logits, views) if flips else logits[0]

    return logits_of


def make_predict(
    model: nn.Module,
    to_input: ToInput,
    mesh: Mesh,
    images: UInt8[np.ndarray, "n h w c"],
    *,
    batch_size: int,
    flips: bool = False,
    merge: MergeViews = mean_of_classes,
) -> Callable[[Variables], Float[np.ndarray, "n ..."]]:
    """Puts images on the devices and returns what computes their logits.

    Args:
        model: called with an image and `train=False`.
        to_input: uint8 images to standardised bands.
        mesh: whose devices share each batch.
        images: 0 to 255, at least one.
        batch_size: images per step, more where the devices do not share it evenly; changes no
            result but for rounding.
        flips: as in `make_logits`.
        merge: as in `make_logits`.

    Returns:
        `predict(variables) -> logits`: row i is that of image i; the padding is cut off.
    """
    # No more padding than one batch: a set smaller than a batch is one smaller batch.
    batch_size = -(-min(batch_size, len(images)) // mesh.size) * mesh.size
    batches = put_everywhere(list(pad_to_batches(images, batch_size)), replicated(mesh))
    by_example = split_by_example(mesh)

    logits_of_batch = make_logits(model, to_input, flips=flips, merge=merge)

    # Whole on every device: a process reads only what its own devices hold.
    @partial(jax.jit, out_shardings=replicated(mesh))
    def logits_of(variables: Variables, batch: Array) -> Array:
        return logits_of_batch(variables, lax.with_sharding_constraint(batch, by_example))

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
