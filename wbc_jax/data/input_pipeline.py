"""What of the examples lies on the devices, and in which order an epoch takes them.

examples = put_everywhere(image_and_label(part), replicated(mesh))
order = epoch_order(key, epoch, num_examples=1987, batch_size=32)
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, Key, Shaped

from wbc_jax.data.examples import Examples
from wbc_jax.errors import require_choice


def image_and_label(examples: Examples) -> dict[str, np.ndarray]:
    """Returns `image` uint8 [n, h, w, c] and `label` int32 [n]: 12,444 of 50x50x3 take 93 MB."""
    return {"image": examples.image, "label": examples.label.astype("int32")}


@partial(jax.jit, static_argnames=("num_examples", "batch_size"))
def epoch_order(
    key: Key[Array, ""],
    epoch: Int[Array, ""] | int,
    *,
    num_examples: int,
    batch_size: int,
    shares: Float[Array, " {num_examples}"] | None = None,
) -> Int[Array, "steps {batch_size}"]:
    """Draws the batches of one epoch.

    Without `shares` every example is taken at most once; the num_examples % batch_size that are
    left over differ from epoch to epoch. With them, examples are drawn with replacement.

    Args:
        key: of the run's `order` stream.
        epoch: counted from 1.
        num_examples: at least batch_size.
        batch_size: examples per step.
        shares: how often each example is to be taken, relative to the others.

    Returns:
        Row i holds the indices of batch i.
    """
    num_steps = num_examples // batch_size
    key = jax.random.fold_in(key, epoch)
    if shares is None:
        rows = jax.random.permutation(key, num_examples)[: num_steps * batch_size]
    else:
        rows = jax.random.choice(key, num_examples, (num_steps * batch_size,), p=shares)
    return jnp.reshape(rows, (num_steps, batch_size))


BALANCES = ("none", "classes", "smears")


def sampling_shares(examples: Examples, balance: str) -> Float32[np.ndarray, " n"] | None:
    """Returns how often each example is to be taken, in shares of all; None: each once an epoch.

    Args:
        examples: the training part.
        balance: "none"; "classes": every class as often as another; "smears": that, and within a
            class every smear as often as another, however many copies it has.

    Raises:
        UserError: `balance` is not known.
    """
    if require_choice("data.balance", balance, BALANCES) == "none":
        return None
    shares = np.ones(len(examples.label))
    if balance == "smears":
        # Of a class: a smear's copies may be of two, and those of unknown smears are of all.
        labels = np.char.add(examples.label.astype(np.str_), " ")
        shares /= _group_sums(shares, np.char.add(labels, examples.source))
    shares /= _group_sums(shares, examples.label)
    return (shares / shares.sum()).astype(np.float32)


def _group_sums(
    values: Float[np.ndarray, " n"], groups: Shaped[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Returns for each element the sum of the values of its group."""
    _, members = np.unique(groups, return_inverse=True)
    return np.bincount(members, weights=values)[members]
