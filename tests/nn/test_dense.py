"""The dense layers have Linen's parameters and results, and this project's first values."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.nn import Dense, Logits


@pytest.mark.parametrize("layer", [Dense, Logits])
@pytest.mark.parametrize("shape", [(3, 5), (33, 48), (2, 3, 4, 7), (6,)])
def test_a_dense_layer_and_its_gradients_are_linens(
    layer: Any, shape: tuple[int, ...], form: str
) -> None:
    random = np.random.default_rng(0)
    x, cotangent, kernel, bias = (
        jnp.asarray(random.normal(size=size), jnp.float32)
        for size in (shape, (*shape[:-1], 4), (shape[-1], 4), 4)
    )
    params = {"kernel": kernel, "bias": bias}

    def run(layer: nn.Module, params: Any, x: jax.Array) -> Any:
        output, pull = jax.vjp(lambda p, x: layer.apply({"params": p}, x), params, x)
        return output, pull(cotangent)

    in_c = "ffi_call" in str(jax.make_jaxpr(partial(run, layer(4)))(params, x))
    assert in_c == (form == "native" and layer is Dense)
    got, expected = jax.jit(lambda *a: (run(layer(4), *a), run(nn.Dense(4), *a)))(params, x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, expected)


def test_a_dense_layer_multiplies_in_its_dtype(form: str) -> None:
    x = jax.random.normal(jax.random.key(0), (5, 64))
    layer = Dense(32, dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(1), x)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    output, exact = layer.apply(variables, x), Dense(32).apply(variables, x)
    assert output.dtype == (jnp.float32 if form == "native" else jnp.bfloat16)
    assert 1e-4 < float(jnp.abs(output - exact).max() / jnp.abs(exact).max()) < 0.02


def test_a_dense_layer_starts_with_hes_deviation() -> None:
    params = Dense(100).init(jax.random.key(0), jnp.zeros((1, 200)))["params"]
    np.testing.assert_allclose(params["kernel"].std(), np.sqrt(2 / 200), rtol=0.03)
    np.testing.assert_array_equal(params["bias"], 0)


def test_logits_start_from_equal_probabilities() -> None:
    logits, _ = Logits(4).init_with_output(jax.random.key(0), jnp.ones((2, 7)))
    np.testing.assert_array_equal(logits, np.zeros((2, 4)))
