"""Batch norm is Linen's with what may follow it; local response follows its formula."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.errors import UserError
from wbc_jax.nn import BatchNorm, LayerNorm, LocalResponseNorm, MaxPool, normalize
from wbc_jax.nn.normalization import NORMALIZATIONS


class Normalized(nn.Module):
    """One normalization, as a network applies it."""

    kind: str
    relu: bool = False

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        return normalize(image, self.kind, train=train, relu=self.relu)


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


class Linen(nn.Module):
    """What `BatchNorm` does in one, by Linen's layers."""

    relu: bool
    scale_init: nn.initializers.Initializer = nn.initializers.ones_init()

    @nn.compact
    def __call__(self, image: jax.Array, residual: jax.Array | None, *, train: bool) -> jax.Array:
        x = nn.BatchNorm(
            use_running_average=not train,
            momentum=0.9,
            epsilon=1e-5,
            scale_init=self.scale_init,
            name="norm",
        )(image)
        x = x if residual is None else x + residual
        return nn.relu(x) if self.relu else x


class Ours(nn.Module):
    """`BatchNorm` under the name of Linen's."""

    relu: bool

    @nn.compact
    def __call__(self, image: jax.Array, residual: jax.Array | None, *, train: bool) -> jax.Array:
        return BatchNorm(relu=self.relu, name="norm")(image, residual, train=train)


@pytest.mark.parametrize(
    ("shape", "relu", "with_residual", "train"),
    [
        ((6, 16), False, False, True),
        ((5, 7), True, True, True),
        ((3, 4, 5, 48), True, True, True),
        ((3, 4, 5, 48), True, False, True),
        ((3, 4, 5, 80), False, True, True),
        ((1, 3, 3, 24), True, True, False),
        ((3, 4, 5, 48), False, False, False),
    ],
)
def test_batch_norm_is_linens(
    shape: tuple[int, ...], relu: bool, with_residual: bool, train: bool, form: str
) -> None:
    random = np.random.default_rng(0)
    image, residual, cotangent = (
        jnp.asarray(random.normal(mean, 2, shape), jnp.float32) for mean in (3, 0, 0)
    )
    variables: dict[str, Any] = {
        kind: {"norm": {n: jnp.asarray(random.uniform(0.5, 2, shape[-1]), jnp.float32) for n in of}}
        for kind, of in (("params", ("scale", "bias")), ("batch_stats", ("mean", "var")))
    }

    def run(model: nn.Module, *arguments: Any) -> Any:
        def apply(params: Any, image: jax.Array, residual: jax.Array) -> Any:
            return model.apply(
                {"params": params, "batch_stats": variables["batch_stats"]},
                image,
                residual if with_residual else None,
                train=train,
                mutable=["batch_stats"],
            )

        output, pull, updated = jax.vjp(apply, *arguments, has_aux=True)
        return output, updated, pull(cotangent)

    arguments = (variables["params"], image, residual)
    native = form == "native" and train and shape[-1] % 16 == 0
    assert ("ffi_call" in str(jax.make_jaxpr(partial(run, Ours(relu)))(*arguments))) == native
    got, expected = jax.jit(lambda *a: (run(Ours(relu), *a), run(Linen(relu), *a)))(*arguments)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, expected)
    if not train:
        jax.tree.map(np.testing.assert_array_equal, got[1]["batch_stats"], variables["batch_stats"])


@pytest.mark.parametrize(
    ("form", "kind", "pool", "train", "one_pass"),
    [
        ("native", "batch", MaxPool(), True, True),
        ("native", "batch", MaxPool((1, 2), (1, 2)), True, True),
        ("native", "batch", MaxPool((3, 3), (3, 3)), True, False),  # padding before the image
        ("native", "batch", MaxPool((3, 3), (2, 2)), True, False),
        ("native", "batch", MaxPool(padding="VALID"), True, False),
        ("native", "batch", MaxPool(), False, False),
        ("native", "local_response", MaxPool(), True, False),
        ("xla", "batch", MaxPool(), True, False),
    ],
    ids=["2x2", "1x2", "3x3", "overlapping", "valid", "evaluation", "local_response", "xla"],
    indirect=["form"],
)
@pytest.mark.usefixtures("form")
def test_a_pooling_that_follows(kind: str, pool: MaxPool, train: bool, one_pass: bool) -> None:
    """The same as one after the other, and one pass over memory where that is possible."""

    class Both(nn.Module):
        in_one: bool

        @nn.compact
        def __call__(self, image: jax.Array) -> jax.Array:
            if self.in_one:
                return normalize(image, kind, train=train, relu=True, pool=pool.copy())
            return pool.copy()(normalize(image, kind, train=train, relu=True))

    image = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 5, 16)), jnp.float32)
    variables = Both(in_one=True).init(jax.random.key(0), image)

    def run(in_one: bool, image: jax.Array) -> Any:
        apply = partial(Both(in_one).apply, variables, mutable=["batch_stats"])
        output, pull, updated = jax.vjp(apply, image, has_aux=True)
        return output, updated, pull(jnp.cos(output))

    jaxpr = str(jax.make_jaxpr(partial(run, True))(image))
    assert ("wbc_affine_pool" in jaxpr) == one_pass
    got, expected = jax.jit(lambda image: (run(True, image), run(False, image)))(image)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), got, expected)


def test_a_residual_may_be_of_another_dtype(form: str) -> None:
    image = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 2, 16)), jnp.float32)
    layer = BatchNorm()
    variables = layer.init(jax.random.key(0), image)
    apply = jax.jit(partial(layer.apply, train=True, mutable=["batch_stats"]))
    plain, _ = apply(variables, image)
    half, _ = apply(variables, image, jnp.full(image.shape, 3, jnp.bfloat16))
    np.testing.assert_allclose(half, plain + 3, rtol=1e-6)


def test_batch_norm_starts_as_linens(image: jax.Array, form: str) -> None:
    ours = Ours(relu=False).init(jax.random.key(0), image, None, train=True)
    linen = Linen(relu=False).init(jax.random.key(0), image, None, train=True)
    jax.tree.map(np.testing.assert_array_equal, ours, linen)
    zeros = nn.initializers.zeros_init()
    scale = BatchNorm(scale_init=zeros).init(jax.random.key(0), image)["params"]["scale"]
    np.testing.assert_array_equal(scale, 0)


def test_what_is_no_number_is_not_hidden_by_the_relu(form: str) -> None:
    image = jnp.ones((2, 3, 3, 16)).at[0, 1, 1, 4].set(jnp.nan)
    layer = BatchNorm(relu=True)
    variables = layer.init(jax.random.key(0), image)
    output, updated = layer.apply(variables, image, train=True, mutable=["batch_stats"])
    assert bool(jnp.isnan(output[..., 4]).all())
    assert bool(jnp.isnan(updated["batch_stats"]["mean"][4]))
    assert bool(jnp.isnan(layer.apply(variables, image)[0, 1, 1, 4]))


def test_batch_norm_in_bfloat16_keeps_float32_statistics(image: jax.Array) -> None:
    model, image = Normalized("batch"), image.astype(jnp.bfloat16)
    variables = model.init(jax.random.key(0), image)
    output, updated = model.apply(variables, image, train=True, mutable=["batch_stats"])
    assert output.dtype == model.apply(variables, image).dtype == jnp.bfloat16
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
    assert NORMALIZATIONS == ("batch", "group", "layer", "local_response")
    variables = Normalized("local_response").init(jax.random.key(0), image)
    assert not jax.tree.leaves(variables)
    np.testing.assert_array_equal(
        Normalized("local_response").apply(variables, image), LocalResponseNorm().apply({}, image)
    )


def test_an_unknown_normalization_is_refused(image: jax.Array) -> None:
    with pytest.raises(
        UserError, match=r"norm='instance' is not known; choose one of batch, group"
    ):
        Normalized("instance").init(jax.random.key(0), image)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_every_kind_works_in_every_dtype(kind: str, dtype: jnp.dtype) -> None:
    x = jax.random.normal(jax.random.key(0), (4, 3, 3, 6)).astype(dtype)
    y, variables = Normalized(kind).init_with_output(jax.random.key(1), x, train=True)
    assert y.dtype == dtype
    assert bool(jnp.isfinite(y).all())
    assert float(y.min()) < 0
    fields = {"train": True, "mutable": ["batch_stats"]}
    positive, _ = Normalized(kind, relu=True).apply(variables, x, **fields)
    np.testing.assert_array_equal(positive, jnp.maximum(y, 0))


def test_layer_norm_standardises_each_position_over_its_channels() -> None:
    x = 3 + 5 * jax.random.normal(jax.random.key(0), (2, 4, 4, 256))
    y, _ = LayerNorm().init_with_output(jax.random.key(1), x)
    expected = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    np.testing.assert_allclose(y, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "groups"), [(7, 1), (6, 2), (12, 4), (48, 16), (32, 32), (96, 32)]
)
def test_group_norm_standardises_groups_of_channels_over_the_whole_image(
    channels: int, groups: int
) -> None:
    """32 groups, or as many as divide both: 1 for an odd width."""
    random = np.random.default_rng(0)
    x = 3 + 5 * random.normal(size=(2, 4, 5, channels))
    scale, bias = random.uniform(0.5, 2, channels), random.normal(size=channels)
    model = Normalized("group")
    variables = model.init(jax.random.key(0), jnp.asarray(x, jnp.float32))
    assert jax.tree.map(jnp.shape, variables) == {
        "params": {"GroupNorm_0": {"scale": (channels,), "bias": (channels,)}}
    }
    params = {"GroupNorm_0": {"scale": jnp.asarray(scale), "bias": jnp.asarray(bias)}}
    grouped = x.reshape(2, 4 * 5, groups, channels // groups)
    mean, var = grouped.mean((1, 3), keepdims=True), grouped.var((1, 3), keepdims=True)
    expected = ((grouped - mean) / np.sqrt(var + 1e-5)).reshape(x.shape) * scale + bias
    for train in (True, False):  # the same in both modes: it has no running statistics
        output = model.apply({"params": params}, jnp.asarray(x, jnp.float32), train=train)
        np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-3)
