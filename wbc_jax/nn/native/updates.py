"""Optimizer updates by the kernels in this folder: every array at once, in place.

params, traces = sgd_native(numbers, gradients, params, traces)
"""

from collections.abc import Sequence

import jax
from jaxtyping import Array, Float

from wbc_jax.nn.native import library

Leaves = Sequence[Array]


def sgd_native(
    numbers: Float[Array, "2"], gradients: Leaves, params: Leaves, traces: Leaves
) -> tuple[list[Array], list[Array]]:
    """Stochastic gradient descent with momentum.

    Args:
        numbers: learning rate and momentum.
        gradients: float32.
        params: of the same shapes.
        traces: of the same shapes; the sums of past gradients.

    Returns:
        New params and traces, in the memory of the old.
    """
    new_params, new_traces = _update("wbc_sgd", numbers, gradients, params, traces)
    return new_params, new_traces


def adam_native(
    numbers: Float[Array, "6"], gradients: Leaves, params: Leaves, means: Leaves, squares: Leaves
) -> tuple[list[Array], list[Array], list[Array]]:
    """Adam.

    Args:
        numbers: learning rate; decay of the two moments; what the two moments are multiplied with
            to correct their bias; epsilon.
        gradients: float32.
        params: of the same shapes.
        means: of the same shapes; first moments.
        squares: of the same shapes; second moments.

    Returns:
        New params, means and squares, in the memory of the old.
    """
    new_params, new_means, new_squares = _update(
        "wbc_adam", numbers, gradients, params, means, squares
    )
    return new_params, new_means, new_squares


def _update(handler: str, numbers: Array, gradients: Leaves, *kept: Leaves) -> list[list[Array]]:
    arrays = [array for leaves in kept for array in leaves]
    first = 1 + len(gradients)
    results = tuple(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays)
    new = library.call(
        handler,
        results,
        numbers,
        *gradients,
        *arrays,
        in_place={first + i: i for i in range(len(arrays))},
    )
    size = len(gradients)
    return [list(new[i : i + size]) for i in range(0, len(new), size)]
