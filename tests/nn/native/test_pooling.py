"""Max pooling in C: which value wins, which has the gradient, and what is no number."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from wbc_jax.nn.native.pooling import max_pool_native

pytestmark = pytest.mark.usefixtures("native")

WHOLE = ((2, 2), (2, 2), ((0, 0), (0, 0)))


def in_numpy(
    image: np.ndarray, cotangent: np.ndarray, window: Any, strides: Any, pads: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The largest value of each window, and the gradient, which its first place has."""
    padded = np.pad(image, ((0, 0), *pads, (0, 0)), constant_values=-np.inf)
    output, gradient = np.empty_like(cotangent), np.zeros_like(padded)
    for n, y, x, c in np.ndindex(cotangent.shape):
        top, left = y * strides[0], x * strides[1]
        values = padded[n, top : top + window[0], left : left + window[1], c]
        first_y, first_x = np.unravel_index(values.argmax(), values.shape)
        output[n, y, x, c] = values.max()
        gradient[n, top + first_y, left + first_x, c] += cotangent[n, y, x, c]
    (top, _), (left, _) = pads
    return output, gradient[:, top : top + image.shape[1], left : left + image.shape[2]]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("size", "window", "strides"),
    [
        ((6, 5), (2, 2), (2, 2)),
        ((2, 3), (2, 2), (2, 2)),
        ((7, 8), (3, 3), (2, 2)),
        ((5, 6), (3, 2), (1, 2)),
        ((4, 4), (2, 2), (1, 1)),
        ((4, 7), (3, 3), (3, 3)),
    ],
)
def test_the_first_of_the_largest_wins(size: Any, window: Any, strides: Any, padding: str) -> None:
    # So few values that most windows have equal ones; below zero, where padding would win.
    random = np.random.default_rng(0)
    image = random.integers(-4, -1, (3, *size, 32)).astype(np.float32)
    rows, columns = lax.padtype_to_pads(size, window, strides, padding)
    fields = window, strides, (rows, columns)
    output, pull = jax.vjp(lambda x: max_pool_native(x, *fields), jnp.asarray(image))
    cotangent = random.integers(1, 100, output.shape).astype(np.float32)
    expected, gradient = in_numpy(image, cotangent, *fields)
    np.testing.assert_array_equal(output, expected)
    np.testing.assert_array_equal(pull(jnp.asarray(cotangent))[0], gradient)


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_what_is_no_number_wins(place: tuple[int, int]) -> None:
    image = np.ones((1, 2, 2, 16), np.float32)
    image[0, place[0], place[1], 3] = np.nan
    output = np.asarray(max_pool_native(jnp.asarray(image), *WHOLE)).ravel()
    assert np.flatnonzero(np.isnan(output)).tolist() == [3]
    np.testing.assert_array_equal(np.delete(output, 3), 1)


def test_infinities_are_values_like_others() -> None:
    image = np.full((1, 2, 4, 16), -np.inf, np.float32)
    image[0, 1, 3] = np.inf
    output, pull = jax.vjp(lambda x: max_pool_native(x, *WHOLE), jnp.asarray(image))
    np.testing.assert_array_equal(output[0, 0, :, 0], [-np.inf, np.inf])
    (gradient,) = pull(jnp.ones_like(output))
    np.testing.assert_array_equal(gradient[0, ..., 0], [[1, 0, 0, 0], [0, 0, 0, 1]])
