"""Linen's dense layer, started as this project starts it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from wbc_jax.nn import Dense, Logits


def test_a_dense_layer_is_linens() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 5)).astype(np.float32)
    params = {"kernel": random.normal(size=(5, 4)), "bias": random.normal(size=4)}
    assert issubclass(Dense, nn.Dense)
    assert issubclass(Logits, nn.Dense)
    for layer in (Dense, Logits):
        output = layer(4).apply({"params": jax.tree.map(jnp.float32, params)}, x)
        np.testing.assert_allclose(output, x @ params["kernel"] + params["bias"], rtol=1e-4)


def test_a_dense_layer_starts_with_hes_deviation() -> None:
    params = Dense(100).init(jax.random.key(0), jnp.zeros((1, 200)))["params"]
    np.testing.assert_allclose(params["kernel"].std(), np.sqrt(2 / 200), rtol=0.03)
    np.testing.assert_array_equal(params["bias"], 0)


def test_logits_start_from_equal_probabilities() -> None:
    logits, _ = Logits(4).init_with_output(jax.random.key(0), jnp.ones((2, 7)))
    np.testing.assert_array_equal(logits, np.zeros((2, 4)))
