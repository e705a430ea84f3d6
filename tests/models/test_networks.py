"""How the networks behave: modes, dtypes, norms, and what they refuse."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models.tiny_models import HEAD, IMAGE_SHAPE, draw_variables, tiny_model
from wbc_jax.errors import UserError
from wbc_jax.models import MODELS, create_model
from wbc_jax.models.describe import count_kinds, list_layers
from wbc_jax.models.resnet import BottleneckBlock
from wbc_jax.models.small_resnet import BasicBlock
from wbc_jax.nn.native import library


def images() -> jax.Array:
    return jax.random.normal(jax.random.key(7), (3, *IMAGE_SHAPE))


@pytest.mark.parametrize("name", MODELS)
def test_dropout_and_batch_norm_act_in_training_only(name: str) -> None:
    model = tiny_model(name)
    variables = draw_variables(model)

    @jax.jit
    def in_training(key: jax.Array) -> Any:
        return model.apply(
            variables, images(), train=True, rngs={"dropout": key}, mutable=["batch_stats"]
        )

    first, updated = in_training(jax.random.key(1))
    assert first.shape == (3, 4)
    assert not np.allclose(first, in_training(jax.random.key(2))[0])
    np.testing.assert_array_equal(first, in_training(jax.random.key(1))[0])
    for old, new in zip(*map(jax.tree.leaves, (variables["batch_stats"], updated)), strict=True):
        assert not np.array_equal(old, new)

    # Evaluation needs no random key, keeps the statistics and judges each image by itself.
    evaluate = jax.jit(model.apply)
    logits = evaluate(variables, images())
    assert not np.allclose(logits, first)
    np.testing.assert_allclose(evaluate(variables, images()[::-1])[::-1], logits, atol=1e-5)


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    ("name", "fields"),
    [("cnn", {"conv_features": (16, 32, 16)}), ("resnet50", {"stage_sizes": (1,), "width": 16})],
)
def test_training_is_the_same_with_and_without_the_kernels_in_c(
    monkeypatch: pytest.MonkeyPatch, name: str, fields: dict[str, Any]
) -> None:
    model = tiny_model(name, **fields)
    variables = draw_variables(model)
    # With a batch of a few images the last norms' variances are differences of nearly equal sums.
    images = jax.random.normal(jax.random.key(7), (32, *IMAGE_SHAPE))

    def gradients() -> Any:
        @jax.jit
        def run(params: Any, images: jax.Array) -> Any:
            def loss(params: Any) -> Any:
                logits, updated = model.apply(
                    variables | {"params": params},
                    images,
                    train=True,
                    rngs={"dropout": jax.random.key(1)},
                    mutable=["batch_stats"],
                )
                return jnp.square(logits).mean(), updated

            return jax.value_and_grad(loss, has_aux=True)(params)

        return run(variables["params"], images)

    here = gradients()
    monkeypatch.setattr(library, "is_available", lambda: False)
    compare = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    jax.tree.map(compare, here, gradients())


@pytest.mark.usefixtures("without_native")  # whose sums stay float32
@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_is_of_the_computation_only(name: str) -> None:
    low, full = tiny_model(name, dtype="bfloat16"), tiny_model(name)
    variables = draw_variables(full)
    abstract = jax.eval_shape(low.init, jax.random.key(0), images())
    assert jax.tree.map(jnp.shape, abstract) == jax.tree.map(jnp.shape, variables)
    assert {leaf.dtype for leaf in jax.tree.leaves(abstract)} == {jnp.dtype("float32")}
    outputs: list[Any] = []

    def record(call, args, kwargs, context):
        outputs.append((context.module.name, call(*args, **kwargs)))
        return outputs[-1][1]

    with nn.intercept_methods(record):
        logits = jax.eval_shape(low.apply, variables, images())
    assert logits.dtype == jnp.float32
    dtypes = {
        name: output.dtype for name, output in outputs if name not in ("logits", "head", None)
    }
    assert set(dtypes.values()) == {jnp.dtype("bfloat16")}, dtypes


def test_bfloat16_logits_are_near_those_of_float32(form: str) -> None:
    features = (16, 16, 16)  # the kernels in C keep shorter sums in float32
    low, full = (
        tiny_model("cnn", conv_features=features, dtype=dtype) for dtype in ("bfloat16", "float32")
    )
    variables = draw_variables(full)
    got, expected = jax.jit(lambda x: (low.apply(variables, x), full.apply(variables, x)))(images())
    np.testing.assert_allclose(got, expected, atol=0.05 * float(jnp.abs(expected).max()))
    assert not np.array_equal(got, expected)


@pytest.mark.parametrize("name", ["alexnet", "cnn"])
def test_local_response_takes_the_place_of_batch_norm(name: str) -> None:
    model = tiny_model(name, norm="local_response")
    assert "batch_stats" not in jax.eval_shape(model.init, jax.random.key(0), images())
    layers = list_layers(model, image_shape=IMAGE_SHAPE)
    assert count_kinds(layers)["normalization"] == 2
    paths = [layer.path for layer in layers if layer.kind == "normalization"]
    assert paths == ["LocalResponseNorm_0", "LocalResponseNorm_1"]


def test_the_heads_norm_can_be_local_response() -> None:
    model = tiny_model("vgg19", head=HEAD | {"norm": "local_response"})
    assert "batch_stats" not in jax.eval_shape(model.init, jax.random.key(0), images())


def convolved(x: jax.Array, weights: Any) -> jax.Array:
    form, kernel = ("NHWC", "HWIO", "NHWC"), weights["kernel"]
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=form)


def normalized(x: jax.Array, weights: Any, statistics: Any) -> jax.Array:
    scale = weights["scale"] / jnp.sqrt(statistics["var"] + 1e-5)
    return (x - statistics["mean"]) * scale + weights["bias"]


@pytest.mark.parametrize(
    ("block", "num_convolutions"), [(BottleneckBlock(2), 3), (BasicBlock(8), 2)]
)
def test_a_residual_block_is_that_of_its_paper(block: nn.Module, num_convolutions: int) -> None:
    """Convolution, norm and ReLU, the last ReLU after the shortcut was added; by plain JAX."""
    x = jax.random.normal(jax.random.key(3), (2, 5, 6, 8))
    shapes = jax.eval_shape(block.init, jax.random.key(0), x)
    random = np.random.default_rng(0)

    def draw(leaf: jax.ShapeDtypeStruct) -> jax.Array:  # no weight near zero, and no variance
        return jnp.asarray(random.uniform(0.5, 1.5, leaf.shape), jnp.float32)

    def draw_signed(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        return draw(leaf) * random.choice([-1.0, 1.0], leaf.shape).astype(np.float32)

    weights = jax.tree.map(draw_signed, shapes["params"])
    statistics = jax.tree.map(draw, shapes["batch_stats"])
    y = x
    for place in range(num_convolutions):
        norm = f"BatchNorm_{place}"
        y = normalized(convolved(y, weights[f"Conv_{place}"]), weights[norm], statistics[norm])
        is_last = place == num_convolutions - 1
        y = jax.nn.relu(y + x if is_last else y)
    got = block.apply({"params": weights, "batch_stats": statistics}, x)
    np.testing.assert_allclose(got, y, rtol=1e-4, atol=1e-3)


def test_a_resnet_block_starts_as_the_identity() -> None:
    x = jnp.ones((1, 3, 3, 8))
    scales = jax.jit(
        lambda key: [
            layer["scale"]
            for name, layer in BottleneckBlock(2).init(key, x)["params"].items()
            if name.startswith("BatchNorm")
        ]
    )(jax.random.key(0))
    # The last of three; a shortcut that fits as it is has none.
    assert [float(scale.mean()) for scale in scales] == [1, 1, 0]


@pytest.mark.parametrize("num_classes", [2, 5])
def test_number_of_classes(num_classes: int) -> None:
    model = create_model("cnn", num_classes=num_classes, conv_features=(4,), dense_features=())
    shape = jax.eval_shape(model.init_with_output, jax.random.key(0), images())[0].shape
    assert shape == (3, num_classes)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("lenet", {}, r"model.name='lenet' is not known; choose one of cnn, alexnet, resnet50"),
        ("cnn", {"dtype": "float16"}, r"model.dtype='float16' is not known; .* float32, bfloat16"),
        ("cnn", {"width": 3}, r"model of cnn has no field 'width'; its fields are conv_features"),
        ("vgg19", {"head": {"units": 3}}, r"model.head has no field 'units'; .* num_pools"),
        ("cnn", {"head": {}}, r"model of cnn has no field 'head'"),
        ("cnn", {"parent": None}, r"has no field 'parent'"),
        ("resnet50", {"head": {"num_classes": 3}}, r"model.head has no field 'num_classes'"),
    ],
)
def test_what_is_not_known_is_refused(name: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_model(name, num_classes=4, **fields)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("alexnet", {"conv_features": (4, 4)}, "one entry per convolution each"),
        ("vgg19", {"stage_features": (4,)}, "one entry per stage each"),
        ("cnn", {"norm": "instance"}, "norm='instance' is not known"),
    ],
)
def test_layers_that_do_not_fit_are_refused(name: str, fields: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        jax.eval_shape(tiny_model(name, **fields).init, jax.random.key(0), images())


def test_without_convolutions_none_of_them_is_missed() -> None:
    empty: dict[str, Any] = dict.fromkeys(
        ("conv_features", "kernel_sizes", "pool_after", "norm_after"), ()
    )
    model = tiny_model("alexnet", **empty)
    shape = jax.eval_shape(model.init_with_output, jax.random.key(0), images())[0].shape
    assert shape[0] == 3
    with pytest.raises(UserError, match=r"pool_after=\(0,\) must name convolutions 0 to -1"):
        jax.eval_shape(
            tiny_model("alexnet", **empty | {"pool_after": (0,)}).init, jax.random.key(0), images()
        )


def test_an_image_too_small_for_the_poolings_is_refused() -> None:
    model = create_model("vgg19", num_classes=4)
    with pytest.raises(UserError, match=r"31x31 pixels is too small .* at least 32"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 31, 31, 3)))
