"""Max pooling is Linen's: forward, gradient, padding, on every backend's branch."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.nn import MaxPool
from wbc_jax.nn.pooling import max_pool

# Image, window, strides, padding.
CASES = [
    ((8, 5), (2, 2), (2, 2), "SAME"),
    ((7, 5), (2, 2), (2, 2), "VALID"),
    ((1, 1), (2, 2), (2, 2), "SAME"),
    ((9, 8), (3, 3), (2, 2), "SAME"),
    ((9, 8), (3, 3), (2, 2), "VALID"),
    ((6, 7), (3, 2), (1, 2), "SAME"),
]


def distinct_values(*shape: int) -> jax.Array:
    """Negative and all different, so that zero padding would win and the maximum is unique."""
    values = np.random.default_rng(0).permutation(int(np.prod(shape)))
    return jnp.asarray(-1.0 - values.reshape(shape) / values.size, jnp.float32)


def primitives(image: jax.Array) -> str:
    return str(jax.make_jaxpr(lambda x: max_pool(x, window=(2, 2), strides=(2, 2)))(image))


@pytest.mark.parametrize(("size", "window", "strides", "padding"), CASES)
def test_pooling_and_its_gradient_are_those_of_linen(
    size: tuple[int, int],
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    form: str,
) -> None:
    image = distinct_values(2, *size, 16 if form == "native" else 3)
    assert ("ffi_call" in primitives(image)) == (form == "native")

    @jax.jit
    def both(image: jax.Array) -> list[Any]:
        results = []
        for pool in (
            lambda x: max_pool(x, window=window, strides=strides, padding=padding),
            lambda x: nn.max_pool(x, window, strides, padding),
        ):
            output, pull = jax.vjp(pool, image)
            weights = jnp.arange(output.size, dtype=jnp.float32).reshape(output.shape)
            results.append((output, *pull(weights)))
        return results

    (output, gradient), (expected_output, expected_gradient) = both(image)
    np.testing.assert_array_equal(output, expected_output)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-6)


@pytest.mark.parametrize("size", [(2, 2), (1, 8)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_where_no_window_fits_in_nothing_is_pooled(
    size: tuple[int, int], strides: tuple[int, int], form: str
) -> None:
    image = jnp.ones((2, *size, 16))
    output, pull = jax.vjp(
        lambda x: max_pool(x, window=(3, 3), strides=strides, padding="VALID"), image
    )
    assert output.shape == nn.max_pool(image, (3, 3), strides, "VALID").shape
    assert output.size == 0
    np.testing.assert_array_equal(pull(output)[0], jnp.zeros_like(image))


def test_only_the_cpu_avoids_reduce_window(monkeypatch: pytest.MonkeyPatch) -> None:
    for channels in (1, 16):
        assert "reduce_window" not in primitives(jnp.zeros((1, 4, 4, channels)))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for channels in (1, 16):
        assert "reduce_window" in primitives(jnp.zeros((1, 4, 4, channels)))
    image = distinct_values(1, 7, 6, 2)
    np.testing.assert_array_equal(
        max_pool(image, window=(3, 3), strides=(2, 2)), nn.max_pool(image, (3, 3), (2, 2), "SAME")
    )


@pytest.mark.parametrize("channels", [1, 16])
def test_equal_values_have_one_gradient_between_them(channels: int, form: str) -> None:
    gradient = jax.grad(lambda x: max_pool(x, window=(2, 2), strides=(2, 2)).sum())(
        jnp.ones((1, 2, 2, channels))
    )
    np.testing.assert_allclose(gradient.sum((0, 1, 2)), 1)
    assert float(gradient.min()) >= 0


def test_bfloat16_stays_bfloat16() -> None:
    pooled = max_pool(jnp.ones((1, 3, 3, 2), jnp.bfloat16), window=(2, 2), strides=(2, 2))
    assert pooled.dtype == jnp.bfloat16


def test_the_layer_pools_by_two_and_has_no_parameters() -> None:
    image = distinct_values(1, 5, 4, 2)
    output, variables = MaxPool().init_with_output(jax.random.key(0), image)
    assert not jax.tree.leaves(variables)
    np.testing.assert_array_equal(output, nn.max_pool(image, (2, 2), (2, 2), "SAME"))


def test_the_layer_passes_its_fields_on() -> None:
    image = distinct_values(1, 7, 7, 2)
    output = MaxPool((3, 3), (1, 2), "VALID").apply({}, image)
    np.testing.assert_array_equal(output, nn.max_pool(image, (3, 3), (1, 2), "VALID"))
