"""Whether a tree holds finite numbers only, and what is raised where it does not.

if not all_finite(state):
    raise NotFinite("a value in the state")
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class NotFinite(Exception):  # noqa: N818 - it is what was found, not a fault of the program
    """A loss or a weight is no finite number; the message says what was seen of it."""


def all_finite(tree: Any) -> bool:
    """Returns whether every floating-point value of the tree is a finite number; waits for it.

    On the host: a program for it takes seconds to compile for a large network, and the first state
    to be looked at may be the one that a signal hurries.
    """
    return all(
        np.isfinite(np.asarray(leaf)).all()
        for leaf in jax.tree.leaves(tree)
        if jnp.issubdtype(leaf.dtype, jnp.floating)
    )
