"""Numbers cut to fewer bits, as accelerators do with the factors of products unless told otherwise.

round_weights(weights, TF32)
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

TF32, BFLOAT16 = 10, 7  # bits of the fraction; float32 has 23


def round_weights(weights: Mapping[str, jax.Array], bits: int) -> dict[str, jax.Array]:
    """Returns float32 arrays rounded to `bits` bits of fraction, to the nearest, ties to even."""
    return {name: _round(np.asarray(leaf), bits) for name, leaf in weights.items()}


def _round(values: np.ndarray, bits: int) -> jax.Array:
    assert values.dtype == np.float32
    pattern, dropped = values.view(np.uint32).astype(np.uint64), 23 - bits
    is_odd = (pattern >> dropped) & 1
    pattern = (pattern + (1 << (dropped - 1)) - 1 + is_odd) >> dropped << dropped
    return jnp.asarray(pattern.astype(np.uint32).view(np.float32))
