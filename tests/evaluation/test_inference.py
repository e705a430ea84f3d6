"""Every example is judged exactly once and in its place, whatever the batch size."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from tests.models.tiny_models import IMAGE_SHAPE, draw_variables, tiny_model
from wbc_jax.evaluation.inference import make_predict, pad_to_batches
from wbc_jax.training.sharding import create_mesh

NUM_IMAGES = 11


class Sum(nn.Module):
    """Logits that tell which image they are of."""

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool) -> jax.Array:
        assert not train
        scale = self.param("scale", nn.initializers.ones, ())
        total = scale * image.sum((1, 2, 3))
        return jnp.stack([total, -total], axis=-1)


def draw_images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, *IMAGE_SHAPE), dtype=np.uint8)


def to_input(image: jax.Array) -> jax.Array:
    return image.astype(jnp.float32) / 255


@pytest.mark.parametrize("batch_size", [1, 3, 11, 64])
def test_every_example_exactly_once_and_in_order(batch_size: int) -> None:
    images = draw_images()
    predict = make_predict(Sum(), to_input, create_mesh(1), images, batch_size=batch_size)
    logits = predict({"params": {"scale": jnp.array(2.0)}})
    assert isinstance(logits, np.ndarray)
    totals = 2 * (images.astype(np.float64) / 255).sum((1, 2, 3))
    np.testing.assert_allclose(logits, np.stack([totals, -totals], -1), rtol=1e-5)


@pytest.mark.parametrize("batch_size", [4, 20])
def test_batches_give_what_one_big_batch_gives(batch_size: int) -> None:
    model, images = tiny_model("cnn"), draw_images()
    variables = draw_variables(model)
    predict = make_predict(model, to_input, create_mesh(1), images, batch_size=batch_size)
    together: Any = jax.jit(model.apply)(variables, to_input(images))
    np.testing.assert_allclose(predict(variables), together, rtol=1e-4, atol=1e-5)


class Linear(nn.Module):
    """Logits that depend on where in the image a value stands."""

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool) -> jax.Array:
        return nn.Dense(4)(image.reshape(len(image), -1))


@pytest.mark.parametrize("batch_size", [3, 64])
def test_with_flips_the_logits_are_the_log_of_four_views_mean_probability(batch_size: int) -> None:
    images = draw_images()
    weights = np.random.default_rng(1).normal(size=(np.prod(IMAGE_SHAPE), 4)) / 4
    params = {"Dense_0": {"kernel": jnp.asarray(weights, jnp.float32), "bias": jnp.arange(4.0)}}
    predict = make_predict(
        Linear(), to_input, create_mesh(1), images, batch_size=batch_size, flips=True
    )
    logits = predict({"params": params})
    views = (images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1])
    by_view = [
        scipy.special.softmax(view.reshape(NUM_IMAGES, -1) / 255 @ weights + np.arange(4), axis=-1)
        for view in views
    ]
    np.testing.assert_allclose(logits, np.log(np.mean(by_view, axis=0)), rtol=1e-4, atol=1e-5)
    # The views differ, so that one left out would show.
    assert np.ptp(by_view, axis=0).max(axis=-1).min() > 0.01
    np.testing.assert_allclose(np.exp(logits).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("batch_size", "shape"), [(1, (11, 1)), (4, (3, 4)), (11, (1, 11)), (16, (1, 16))]
)
def test_the_last_batch_is_filled_with_the_first_image(
    batch_size: int, shape: tuple[int, int]
) -> None:
    images = draw_images()
    batches = pad_to_batches(images, batch_size)
    assert batches.shape == (*shape, *IMAGE_SHAPE)
    assert batches.dtype == np.uint8
    rows = batches.reshape(-1, *IMAGE_SHAPE)
    np.testing.assert_array_equal(rows[:NUM_IMAGES], images)
    for row in rows[NUM_IMAGES:]:
        np.testing.assert_array_equal(row, images[0])
