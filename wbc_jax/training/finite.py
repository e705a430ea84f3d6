"""Whether a tree holds finite numbers only, and what is raised where it does not.

if not all_finite(state):
    raise NotFinite("a value in the state")
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool


class NotFinite(Exception):  # noqa: N818 - it is what was found, not a fault of the program
    """A loss or a weight is no finite number; the message says what was seen of it."""


@jax.jit
def all_finite(tree: Any) -> Bool[Array, ""]:
    """Returns whether every floating-point value of the tree is a finite number."""
    floats = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in floats]).all()
