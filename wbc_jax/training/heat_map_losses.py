"""Losses of heat maps, of one picture each, from logits.

loss = HEAT_MAP_LOSSES["focal"](logits, HeatMaps(maps, is_known)).mean()
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float


class HeatMaps(NamedTuple):
    """What a detector is to answer.

    Attributes:
        maps: 0 to 1, 1 at each cell's centre.
        is_known: whether a picture's cells of a kind are annotated; else its map teaches nothing.
    """

    maps: Float[Array, "b h w k"]
    is_known: Bool[Array, "b k"]


def focal(logits: Float[Array, "b h w k"], target: HeatMaps) -> Float[Array, " b"]:
    """The penalty-reduced focal loss, by the number of cells.

    -(1 - p)^2 log p at a centre, -(1 - y)^4 p^2 log(1 - p) elsewhere: what is answered well counts
    little, and so does a high answer close to a centre.

    Args:
        logits: any finite values; p is their sigmoid.
        target: maps y.

    Returns:
        One loss >= 0 per picture.

    Source: Zhou et al. (2019), equation 1; Law and Deng (2018).
    """
    log_p, log_not_p = jax.nn.log_sigmoid(logits), jax.nn.log_sigmoid(-logits)
    at_centre = -jnp.exp(2 * log_not_p) * log_p
    elsewhere = -((1 - target.maps) ** 4) * jnp.exp(2 * log_p) * log_not_p
    return _per_cell(jnp.where(target.maps >= 1, at_centre, elsewhere), target)


def quality_focal(logits: Float[Array, "b h w k"], target: HeatMaps) -> Float[Array, " b"]:
    """The focal loss of hills, by the number of cells: cross-entropy times (y - p)^2.

    At a centre and far from all it is `focal`; in between an answer is drawn to the hill's height,
    where `focal` only bears it.

    Args:
        logits: any finite values; p is their sigmoid.
        target: maps y.

    Returns:
        One loss >= 0 per picture, 0 where the answer is the map.

    Source: Li et al. (2020), Generalized Focal Loss, equation 3, with the beta of 2 given there.
    """
    wrong_by = target.maps - jax.nn.sigmoid(logits)
    entropy = optax.sigmoid_binary_cross_entropy(logits, target.maps)
    return _per_cell(jnp.square(wrong_by) * entropy, target)


def cross_entropy(logits: Float[Array, "b h w k"], target: HeatMaps) -> Float[Array, " b"]:
    """Binary cross-entropy against the hills themselves, less its least value, by cells.

    Args:
        logits: any finite values.
        target: maps.

    Returns:
        One loss >= 0 per picture, 0 where the answer is the map.
    """
    least = optax.sigmoid_binary_cross_entropy(
        jnp.log(jnp.maximum(target.maps, 1e-9)) - jnp.log(jnp.maximum(1 - target.maps, 1e-9)),
        target.maps,
    )
    return _per_cell(optax.sigmoid_binary_cross_entropy(logits, target.maps) - least, target)


def _per_cell(values: Float[Array, "b h w k"], target: HeatMaps) -> Float[Array, " b"]:
    known = target.is_known[:, None, None, :]
    cells = ((target.maps >= 1) & known).sum(axis=(1, 2, 3))
    return jnp.where(known, values, 0.0).sum(axis=(1, 2, 3)) / jnp.maximum(cells, 1)


HeatMapLoss = Callable[[Array, HeatMaps], Array]
HEAT_MAP_LOSSES: dict[str, HeatMapLoss] = {
    "focal": focal,
    "quality_focal": quality_focal,
    "cross_entropy": cross_entropy,
}
