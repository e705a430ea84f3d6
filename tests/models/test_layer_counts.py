"""What PAPER says of each network, layer for layer, and the exact numbers of parameters."""

import importlib
import re
from collections import Counter
from functools import cache, partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from tests.models.tiny_models import HEAD, IMAGE_SHAPE, tiny_model
from wbc_jax.models import MODELS, create_model, registry
from wbc_jax.models.describe import Layer, count_kinds, layer_table, list_layers
from wbc_jax.models.head import Head
from wbc_jax.nn import Logits
from wbc_jax.nn.normalization import NORMALIZATIONS

NUM_PARAMS = {
    "cnn": 896_900,
    "alexnet": 3_122_244,
    "resnet50": 28_884_804,
    "vgg19": 22_650_180,
    "small_resnet": 695_844,
}
# Poolings right behind a normalization, which share a kernel with it.
NUM_FUSED = {"cnn": 2, "alexnet": 2, "resnet50": 2, "vgg19": 2, "small_resnet": 0}


def configured_model(name: str) -> nn.Module:
    config = importlib.import_module(f"configs.{name}").get_config()
    return create_model(num_classes=config.data.num_classes, **config.model.to_dict())


@cache
def layers_of(name: str) -> tuple[Layer, ...]:
    """The layers of the network as its config has it, for the config's image size."""
    return tuple(list_layers(configured_model(name), image_shape=(50, 50, 3)))


def below(name: str, part: str) -> list[Layer]:
    return [layer for layer in layers_of(name) if layer.path.startswith(f"{part}/")]


def test_every_model_has_a_row() -> None:
    assert NUM_PARAMS.keys() == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_number_of_parameters(name: str) -> None:
    assert sum(layer.num_params for layer in layers_of(name)) == NUM_PARAMS[name]


@pytest.mark.parametrize("norm", NORMALIZATIONS)
@pytest.mark.parametrize("name", ["cnn", "alexnet"])
def test_the_table_misses_no_parameter(name: str, norm: str) -> None:
    model, image = configured_model(name).clone(norm=norm), jnp.zeros((1, 50, 50, 3))
    shapes = jax.eval_shape(model.init, jax.random.key(0), image)
    layers = list_layers(model, image_shape=(50, 50, 3))
    params = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    assert sum(layer.num_params for layer in layers) == params
    assert count_kinds(layers)["normalization"] == 2


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        # One dense layer more than the paper's fully connected ones: the softmax layer of 4.
        ("cnn", {"convolution": 3, "max-pooling": 3, "normalization": 2, "dense": 1 + 1}),
        ("alexnet", {"convolution": 5, "max-pooling": 3, "normalization": 2, "dense": 2 + 1}),
    ],
)
def test_small_networks_have_the_papers_layers(name: str, counts: dict[str, int]) -> None:
    found = dict(count_kinds(layers_of(name)))
    assert found.pop("dropout", 0) == (1 if name == "cnn" else 0)  # the paper names it for CNN only
    assert found == counts


def test_resnet50_has_fifty_layers_and_the_papers_head() -> None:
    backbone, head = below("resnet50", "backbone"), below("resnet50", "head")
    assert len(backbone) + len(head) == len(layers_of("resnet50"))
    assert count_kinds(backbone) == {
        "convolution": 49 + 4,  # the 50th layer is the published network's own classifier
        "normalization": 53,
        "max-pooling": 1,
    }
    # Each stage's first block projects its shortcut; that is the block's fourth convolution.
    projections = [x.path for x in backbone if x.kind == "convolution" and x.path.endswith("_3")]
    assert projections == [f"backbone/BottleneckBlock_{i}/Conv_3" for i in (0, 3, 7, 13)]
    assert count_kinds(head) == {
        "convolution": 2,
        "max-pooling": 3,
        "normalization": 2,
        "dense": 1 + 1,
        "dropout": 1,  # "one additional layer"
    }


def test_vgg19_has_nineteen_layers_and_the_papers_head() -> None:
    backbone, head = below("vgg19", "backbone"), below("vgg19", "head")
    base_dense = [layer for layer in layers_of("vgg19") if layer not in backbone + head]
    assert count_kinds(backbone) == {"convolution": 16, "max-pooling": 5}
    assert count_kinds(base_dense) == {"dense": 3}
    assert count_kinds(head) == {
        "convolution": 2,
        "max-pooling": 3,
        "normalization": 2,
        "dense": 1 + 1,
    }


@pytest.mark.parametrize(("name", "num_params"), [("resnet50", 23_508_032), ("vgg19", 20_024_384)])
def test_the_backbones_have_the_published_numbers_of_parameters(name: str, num_params: int) -> None:
    assert sum(layer.num_params for layer in below(name, "backbone")) == num_params


@pytest.mark.parametrize(("name", "shape"), [("resnet50", (2, 2, 2048)), ("vgg19", (1, 1, 512))])
def test_what_the_backbones_leave_of_a_50x50_image(name: str, shape: tuple[int, ...]) -> None:
    maps = [layer.output_shape for layer in below(name, "backbone")]
    assert maps[-1] == shape


def test_small_resnet_sees_50_pixels_as_13_and_7() -> None:
    """In the published form the first maps are as large as the image; here the stem halves it."""
    sides = [layer.output_shape[0] for layer in layers_of("small_resnet")[:-1]]
    assert sides == [25] * (2 + 2 * 4) + [13] * (6 + 4) + [7] * (6 + 4)


@pytest.mark.parametrize("name", MODELS)
def test_the_last_layer_has_one_output_per_class(name: str) -> None:
    last = layers_of(name)[-1]
    assert (last.path.split("/")[-1], last.kind, last.output_shape) == ("logits", "dense", (4,))


@pytest.mark.parametrize("name", MODELS)
def test_the_bases_share_one_head_class_and_all_the_softmax_layer(name: str) -> None:
    classes = {}

    def record(call, args, kwargs, context):
        classes[context.module.name] = type(context.module)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        jax.eval_shape(tiny_model(name).init, jax.random.key(0), jnp.zeros((1, *IMAGE_SHAPE)))
    assert classes["logits"] is Logits
    assert classes.get("head") is (Head if name in ("resnet50", "vgg19") else None)


@pytest.mark.parametrize(
    ("name", "changes", "counts"),
    [
        (
            "cnn",
            {"conv_features": (8, 16), "num_norms": 1, "num_pools": 1, "dense_features": (9, 9)},
            {"convolution": 2, "normalization": 1, "max-pooling": 1, "dense": 3, "dropout": 1},
        ),
        (
            "alexnet",
            {
                "conv_features": (8, 16),
                "kernel_sizes": (3, 1),
                "pool_after": (1,),
                "norm_after": (),
                "dense_features": (),
            },
            {"convolution": 2, "max-pooling": 1, "dense": 1},
        ),
        (
            "resnet50",
            {"stage_sizes": (2,), "head": HEAD | {"conv_features": (8,), "num_pools": 2}},
            # Stem, two blocks of three, one projection, the head's one.
            {
                "convolution": 1 + 2 * 3 + 1 + 1,
                "normalization": 8 + 1,
                "max-pooling": 1 + 2,
                "dense": 2,
                "dropout": 1,
            },
        ),
        (
            "vgg19",
            {"stage_sizes": (3, 1), "dense_features": (4, 4), "head": {"num_norms": 0}},
            {"convolution": 4 + 2, "max-pooling": 2 + 3, "dense": 2 + 2},
        ),
        (
            "small_resnet",
            {"stage_sizes": (2, 1), "stage_features": (4, 8), "dropout_rate": 0.0},
            # Stem, three blocks of two, one projection where the width changes.
            {"convolution": 1 + 3 * 2 + 1, "normalization": 1 + 3 * 2 + 1, "dense": 1},
        ),
    ],
    ids=MODELS,
)
def test_layer_counts_can_be_changed(name: str, changes: dict, counts: dict[str, int]) -> None:
    layers = list_layers(tiny_model(name, **changes), image_shape=(16, 16, 3))
    assert count_kinds(layers) == counts


def test_every_layer_of_a_small_net_by_hand() -> None:
    model = create_model(
        "cnn", num_classes=4, conv_features=(6, 10), num_norms=1, num_pools=1, dense_features=(7,)
    )
    assert list_layers(model, image_shape=(5, 4, 3)) == [
        Layer("Conv_0", "convolution", (5, 4, 6), 3 * 3 * 3 * 6 + 6, 5 * 4 * 3 * 3 * 3 * 6),
        Layer("BatchNorm_0", "normalization", (5, 4, 6), 6 + 6, 0),
        Layer("MaxPool_0", "max-pooling", (3, 2, 6), 0, 0),
        Layer("Conv_1", "convolution", (3, 2, 10), 3 * 3 * 6 * 10 + 10, 3 * 2 * 3 * 3 * 6 * 10),
        Layer("Dense_0", "dense", (7,), 3 * 2 * 10 * 7 + 7, 3 * 2 * 10 * 7),
        Layer("Dropout_0", "dropout", (7,), 0, 0),
        Layer("logits", "dense", (4,), 7 * 4 + 4, 7 * 4),
    ]


@pytest.mark.usefixtures("without_native")
def test_multiply_adds_are_half_of_xlas_flops() -> None:
    # XLA counts nothing of the kernels in C. Without them maps of 4x4 and less run as matrix
    # products, of which it counts every tap, padding too.
    model = create_model(
        "cnn", num_classes=4, conv_features=(32, 64), num_norms=0, dense_features=(32,)
    )
    image = jnp.zeros((1, 4, 4, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), image)
    flops = jax.jit(model.apply).lower(variables, image).compile().cost_analysis()["flops"]
    multiply_adds = sum(x.multiply_adds for x in list_layers(model, image_shape=(4, 4, 3)))
    # What is above: biases, ReLU, the maximum of pooling.
    assert 2 * multiply_adds <= flops <= 2.05 * multiply_adds


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("name", MODELS)
def test_in_training_on_one_cpu_device_every_layer_is_a_kernel_in_c(name: str) -> None:
    model, images = configured_model(name), jnp.zeros((32, 50, 50, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    rngs = {"dropout": jax.random.key(0)}
    train = partial(model.apply, train=True, rngs=rngs, mutable=["batch_stats"])
    jaxpr = str(jax.make_jaxpr(train)(variables, images))
    calls = Counter(re.findall(r"\bwbc_(\w+)_[0-9a-f]{12}\b", jaxpr))
    kinds = count_kinds(layers_of(name))
    # A dense layer is a 1x1 convolution; the last one, which makes the logits, is XLA's.
    assert calls["conv"] + calls["winograd"] == kinds["convolution"] + kinds["dense"] - 1
    assert calls["moments"] == kinds["normalization"]
    assert calls["affine"] + calls["affine_pool"] == kinds["normalization"]
    assert calls["max_pool"] + calls["affine_pool"] == kinds["max-pooling"]
    assert calls["affine_pool"] == NUM_FUSED[name]


def test_layers_of_flax_and_of_other_kinds_are_counted_too() -> None:
    class Mixed(nn.Module):
        num_classes: int = 4
        use_norm: bool = True
        kernels: tuple[tuple[int, int], ...] = ((3, 3),)

        @nn.compact
        def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
            conv = nn.Conv(3, self.kernels[0])
            x = conv(conv(image))  # the same weights twice
            x = nn.BatchNorm(use_running_average=not train)(x) if self.use_norm else x
            x = x * self.param("gain", nn.initializers.ones, (5, 1, 1, 1))[0]
            return nn.Dense(self.num_classes)(x.mean(axis=(1, 2)))

    layers = list_layers(Mixed(), image_shape=(8, 8, 3))
    conv = 3 * 3 * 3 * 3 + 3
    assert [(layer.kind, layer.num_params) for layer in layers] == [
        *[("convolution", conv), ("convolution", 0), ("normalization", 6), ("dense", 16)],
        ("other", 5),
    ]
    assert [layer.multiply_adds for layer in layers] == [64 * 81, 64 * 81, 0, 12, 0]
    params = Mixed().init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    assert sum(layer.num_params for layer in layers) == sum(
        leaf.size for leaf in jax.tree.leaves(params)
    )
    known = {"use_norm": False, "kernels": ((5, 5),)}
    registry._require_valid(known, Mixed, "model of mixed")  # neither layer counts nor widths


def test_the_table_shows_layers_and_totals() -> None:
    layers = [
        Layer("a/Conv_0", "convolution", (5, 4, 6), 1_168, 3_240),
        Layer("logits", "dense", (4,), 32, 28),
    ]
    title, _, _, first, second, _, total, kinds = layer_table(layers, title="cnn").splitlines()
    assert title == "cnn"
    assert first.split() == ["a/Conv_0", "convolution", "5", "x", "4", "x", "6", "1,168", "3,240"]
    assert second.split() == ["logits", "dense", "4", "32", "28"]
    assert total.split() == ["total", "1,200", "3,268"]
    assert kinds == "1 x convolution, 1 x dense"
