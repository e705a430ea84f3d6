"""Arrays that every device holds whole, in one process or in several.

images = put_everywhere({"image": images}, replicated(mesh))["image"]
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped


def put_everywhere(host: Any, sharding: NamedSharding) -> Any:
    """Copies arrays to all devices of a mesh.

    In several processes each sends the rows of its own devices only; the devices then exchange
    them, which is faster than that every process feeds every device.

    Args:
        host: tree of NumPy arrays with at least one row, the same in every process.
        sharding: replicated over a mesh of one axis.

    Returns:
        The same tree, on the devices.
    """
    if jax.process_count() == 1:
        return jax.device_put(host, sharding)
    return jax.tree.map(lambda array: _from_parts(array, sharding), host)


def put_whole(host: Any, sharding: NamedSharding) -> Any:
    """Copies arrays of any rank to all devices, every process to its own."""
    return jax.tree.map(
        lambda array: jax.make_array_from_callback(
            array.shape, sharding, lambda index: array[index]
        ),
        host,
    )


def _from_parts(array: Shaped[np.ndarray, "n ..."], sharding: NamedSharding) -> Array:
    mesh = sharding.mesh
    rows = len(array)
    padded = -(-rows // mesh.size) * mesh.size

    def part(index: tuple[slice, ...] | None) -> Shaped[np.ndarray, "part ..."]:
        wanted = np.arange(padded)[index[0] if index else slice(None)]
        return array[np.minimum(wanted, rows - 1)]

    split = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
    parts = jax.make_array_from_callback((padded, *array.shape[1:]), split, part)
    return _first_rows(rows, sharding)(parts)


@cache
def _first_rows(rows: int, sharding: NamedSharding) -> Callable[[Array], Array]:
    """Compiled once for many arrays of one length."""
    return jax.jit(lambda whole: whole[:rows], out_shardings=sharding)
