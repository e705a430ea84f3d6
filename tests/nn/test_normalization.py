"""Batch norm keeps running statistics; local response follows its formula."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.errors import UserError
from wbc_jax.nn import BatchNorm, LayerNorm, LocalResponseNorm, normalize
from wbc_jax.nn.normalization import NORMALIZATIONS


class Normalized(nn.Module):
    """One normalization, as a network applies it."""

    kind: str
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        return normalize(image, self.kind, train=train, dtype=self.dtype)


@pytest.fixture
def image() -> jax.Array:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(4, 3, 2, 7))
    return jnp.asarray(values, jnp.float32)


def test_in_training_batch_norm_uses_the_batch_and_moves_its_statistics(image: jax.Array) -> None:
    model = Normalized("batch")
    variables = model.init(jax.random.key(0), image)
    output, updated = model.apply(variables, image, train=True, mutable=["batch_stats"])
    mean, var = np.mean(image, (0, 1, 2)), np.var(image, (0, 1, 2))
    np.testing.assert_allclose(output, (image - mean) / np.sqrt(var + 1e-5), rtol=1e-3, atol=1e-4)
    statistics = updated["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(statistics["mean"], 0.1 * mean, rtol=1e-4)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * var, rtol=1e-4)


def test_in_evaluation_batch_norm_uses_its_running_statistics(image: jax.Array) -> None:
    model = Normalized("batch")
    params = model.init(jax.random.key(0), image)["params"]
    mean, var = jnp.arange(7.0), jnp.arange(1.0, 8.0)
    statistics = {"BatchNorm_0": {"mean": mean, "var": var}}
    output = model.apply({"params": params, "batch_stats": statistics}, image)
    np.testing.assert_allclose(output, (image - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-5)


def test_batch_norm_scales_and_shifts(image: jax.Array) -> None:
    layer = BatchNorm(use_running_average=True)
    variables = layer.init(jax.random.key(0), image)
    plain = layer.apply(variables, image)
    params = {"scale": jnp.full(7, 2.0), "bias": jnp.full(7, -1.0)}
    changed = layer.apply(variables | {"params": params}, image)
    np.testing.assert_allclose(changed, 2 * plain - 1, rtol=1e-5, atol=1e-5)


def test_batch_norm_in_bfloat16_keeps_float32_statistics(image: jax.Array) -> None:
    model = Normalized("batch", jnp.bfloat16)
    variables = model.init(jax.random.key(0), image)
    output, updated = model.apply(variables, image, train=True, mutable=["batch_stats"])
    assert output.dtype == jnp.bfloat16
    kept = jax.tree.leaves((variables, updated))
    assert {leaf.dtype for leaf in kept} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    "constants",
    [{}, {"size": 3, "k": 1.0, "alpha": 0.5, "beta": 0.5}, {"size": 1, "alpha": 0.1}],
    ids=["published", "others", "no-neighbours"],
)
def test_local_response_is_the_published_formula(
    image: jax.Array, constants: dict[str, Any]
) -> None:
    layer = LocalResponseNorm(**constants)
    a = np.asarray(image, np.float64) * 20  # so that the published alpha of 1e-4 shows
    expected = np.empty_like(a)
    channels = a.shape[-1]
    for i in range(channels):
        first, last = max(0, i - layer.size // 2), min(channels - 1, i + layer.size // 2)
        energy = sum(a[..., j] ** 2 for j in range(first, last + 1))
        expected[..., i] = a[..., i] / (layer.k + layer.alpha * energy) ** layer.beta
    np.testing.assert_allclose(layer.apply({}, image * 20), expected, rtol=1e-5)


def test_local_response_has_the_published_constants() -> None:
    layer = LocalResponseNorm()
    assert (layer.size, layer.k, layer.alpha, layer.beta) == (5, 2.0, 1e-4, 0.75)


def test_local_response_differentiates_at_zero() -> None:
    gradient = jax.grad(lambda x: LocalResponseNorm().apply({}, x).sum())(jnp.zeros((1, 2, 2, 6)))
    np.testing.assert_allclose(gradient, 2.0**-0.75, rtol=1e-5)


def test_normalize_makes_the_layer_that_is_named(image: jax.Array) -> None:
    assert NORMALIZATIONS == ("batch", "layer", "local_response")
    variables = Normalized("local_response").init(jax.random.key(0), image)
    assert not jax.tree.leaves(variables)
    np.testing.assert_array_equal(
        Normalized("local_response").apply(variables, image), LocalResponseNorm().apply({}, image)
    )


def test_an_unknown_normalization_is_refused(image: jax.Array) -> None:
    with pytest.raises(UserError, match=r"norm='group' is not known; choose one of batch, layer"):
        Normalized("group").init(jax.random.key(0), image)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_every_kind_works_in_every_dtype(kind: str, dtype: jnp.dtype) -> None:
    x = jax.random.normal(jax.random.key(0), (4, 3, 3, 6)).astype(dtype)
    y, _ = Normalized(kind, dtype).init_with_output(jax.random.key(1), x, train=True)
    assert y.dtype == dtype
    assert bool(jnp.isfinite(y).all())


def test_layer_norm_standardises_each_position_over_its_channels() -> None:
    x = 3 + 5 * jax.random.normal(jax.random.key(0), (2, 4, 4, 256))
    y, _ = LayerNorm().init_with_output(jax.random.key(1), x)
    expected = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    np.testing.assert_allclose(y, expected, atol=1e-4)
