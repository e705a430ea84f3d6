"""Grad-CAM and occlusion: against their formulas, and where the truth is known."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from tests.models.tiny_models import IMAGE_SHAPE, draw_variables, tiny_model
from wbc_jax.data.bands import band_statistics, make_to_input
from wbc_jax.data.preprocessing import Settings, shrink
from wbc_jax.datasets.catalog import CLASSES
from wbc_jax.datasets.synthetic_smears import drawing
from wbc_jax.evaluation.attention import (
    agreement,
    find_layer,
    make_grad_cam,
    make_occlusion,
    visible_parts,
)
from wbc_jax.evaluation.inference import make_logits
from wbc_jax.models import create_model
from wbc_jax.nn import Conv
from wbc_jax.reporting.heat import enlarge

LEAST_SHARE = 0.95  # of correct predictions whose highest point lies on the white cell


class TwoMaps(nn.Module):
    """One convolution, then a class for each share of its map: small enough for a formula."""

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool) -> jax.Array:
        assert not train
        x = nn.relu(Conv(3, (3, 3), name="last")(image))
        return nn.Dense(4, kernel_init=nn.initializers.normal(0.3))(x.reshape(len(x), -1))


def to_input(image: jax.Array) -> jax.Array:
    return image.astype(jnp.float32) / 255


def draw_images(number: int = 3) -> jax.Array:
    random = np.random.default_rng(0)
    return jnp.asarray(random.integers(0, 256, (number, 8, 8, 3), dtype=np.uint8))


@pytest.mark.parametrize("per_place", [False, True])
def test_grad_cam_is_the_papers_formula(per_place: bool) -> None:
    """Alpha is the mean gradient of the score by the map, written out for a dense layer."""
    model, images, labels = TwoMaps(), draw_images(), jnp.array([0, 2, 3])
    variables = model.init(jax.random.key(1), to_input(images), train=False)
    layer = find_layer(model, variables, (8, 8, 3))
    assert layer == ("last",)
    explain = make_grad_cam(model, to_input, layer, flips=False, per_place=per_place)
    found = explain(variables, images, labels)

    params: Any = variables["params"]
    maps = np.maximum(Conv(3, (3, 3)).apply({"params": params["last"]}, to_input(images)), 0)
    weights = np.asarray(params["Dense_0"]["kernel"]).reshape(8, 8, 3, 4)
    for image, label in enumerate(labels.tolist()):
        gradient = weights[..., label] * (maps[image] > 0)
        alpha = gradient if per_place else gradient.mean((0, 1))
        expected = np.maximum((maps[image] * alpha).sum(-1), 0)
        np.testing.assert_allclose(found[image], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["cnn", "alexnet"])
def test_the_layer_is_the_last_that_shows_places(name: str) -> None:
    model = tiny_model(name)
    layer = find_layer(model, draw_variables(model), IMAGE_SHAPE)
    assert layer[-1].startswith(("Conv_", "BatchNorm_"))


def test_a_network_of_tiny_maps_shows_no_place() -> None:
    model = tiny_model("cnn")
    abstract = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 5, 5, 3)))
    with pytest.raises(ValueError, match="no layer has a map of 6x6"):
        find_layer(model, abstract, (5, 5, 3))


def test_every_pixel_is_covered_and_every_place_covers_a_square() -> None:
    masks = visible_parts(50, 50)
    assert (masks == 0).any(axis=0).all()
    assert {int((mask == 0).sum()) for mask in masks} == {100}


def test_occlusion_is_the_fall_of_the_probability() -> None:
    """Against covering by hand, one patch after the other."""
    model, images = TwoMaps(), draw_images(1)
    variables = model.init(jax.random.key(1), to_input(images), train=False)

    def probability(inputs: Any) -> float:
        return float(jax.nn.softmax(model.apply(variables, inputs, train=False))[0, 2])

    inputs = to_input(images)
    total, times = np.zeros((8, 8)), np.zeros((8, 8))
    for mask in visible_parts(8, 8):
        fall = probability(inputs) - probability(inputs * mask[None, ..., None])
        total += fall * (mask == 0)
        times += mask == 0
    found = make_occlusion(model, to_input, flips=False)(variables, images, jnp.array([2]))[0]
    np.testing.assert_allclose(found, total / times, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("axis", [1, 2])
def test_with_flips_the_map_of_a_mirror_image_is_the_mirrored_map(axis: int) -> None:
    model, images, labels = TwoMaps(), draw_images(), jnp.array([0, 2, 3])
    variables = model.init(jax.random.key(1), to_input(images), train=False)
    layer = find_layer(model, variables, (8, 8, 3))
    for explain in (
        make_grad_cam(model, to_input, layer, flips=True),
        make_occlusion(model, to_input, flips=True),
    ):
        maps = explain(variables, images, labels)
        mirrored = explain(variables, jnp.flip(images, axis), labels)
        np.testing.assert_allclose(mirrored, jnp.flip(maps, axis), rtol=1e-4, atol=1e-6)


def test_agreement_is_of_ranks() -> None:
    rise = np.arange(12.0).reshape(3, 4)
    assert agreement(rise, rise**3) == pytest.approx(1)
    assert agreement(rise, -rise) == pytest.approx(-1)
    assert np.isnan(agreement(rise, np.ones((3, 4))))


class Smears(NamedTuple):
    images: jax.Array
    labels: jax.Array
    white: np.ndarray


def draw_smears(number: int, seed: int) -> Smears:
    """Smears with the pixels of their white cells."""
    settings = Settings(first_size=0, image_size=50, gray=False)
    drawn = [
        drawing.draw_smear(np.random.default_rng([seed, i]), CLASSES[i % 4]) for i in range(number)
    ]
    images = np.stack([shrink(Image.fromarray(smear.picture), settings) for smear in drawn])
    white = np.stack([smear.instances == smear.white + 1 for smear in drawn])
    return Smears(jnp.asarray(images), jnp.arange(number) % 4, white)


@pytest.fixture(scope="module")
def trained() -> Any:
    """A CNN that tells the white cells of drawn smears apart wherever they lie."""
    train = draw_smears(160, seed=1)
    to_input = make_to_input("rgb", band_statistics(np.asarray(train.images), "rgb"))
    model = create_model("cnn", num_classes=4, conv_features=(16, 32), dense_features=(32,))
    variables = model.init(jax.random.key(0), jnp.zeros((1, 50, 50, 3)), train=False)
    tx = optax.adam(2e-3)

    def loss(params: Any, stats: Any, images: jax.Array, labels: jax.Array, key: jax.Array) -> Any:
        logits, new = model.apply(
            {"params": params, "batch_stats": stats},
            to_input(images),
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), new["batch_stats"]

    @jax.jit
    def step(carry: Any, key: jax.Array) -> Any:
        params, stats, opt_state = carry
        rows = jax.random.randint(key, (32,), 0, len(train.labels))
        images, shift = train.images[rows], jax.random.randint(key, (2,), -8, 9)
        flips = jax.random.bernoulli(key, shape=(2,))
        images = jnp.where(flips[0], images[:, ::-1], images)
        images = jnp.where(flips[1], images[:, :, ::-1], images)
        images = jnp.roll(images, shift, (1, 2))
        gradient, stats = jax.grad(loss, has_aux=True)(
            params, stats, images, train.labels[rows], key
        )
        updates, opt_state = tx.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), stats, opt_state

    params = variables["params"]
    carry = (params, variables["batch_stats"], tx.init(params))
    for key in jax.random.split(jax.random.key(1), 300):
        carry = step(carry, key)
    return model, to_input, {"params": carry[0], "batch_stats": carry[1]}


def test_the_highest_point_lies_on_the_white_cell(trained: Any) -> None:
    model, to_input, variables = trained
    images, labels, white = draw_smears(40, seed=2)
    answers = make_logits(model, to_input, flips=True)(variables, images).argmax(-1)
    right = np.flatnonzero(answers == labels)
    assert len(right) >= 32
    layer = find_layer(model, variables, (50, 50, 3))
    heat = np.asarray(make_grad_cam(model, to_input, layer, flips=True)(variables, images, labels))

    def is_hit(index: int) -> bool:
        large = enlarge(heat[index], white[index].shape[::-1])
        return bool(white[index][np.unravel_index(large.argmax(), large.shape)])

    assert np.mean([is_hit(index) for index in right]) >= LEAST_SHARE
