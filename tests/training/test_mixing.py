"""Blends and their loss against mixed targets; the running mean against its closed form."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tests.training.loss_references import SOFT_REFERENCES
from wbc_jax.training.losses import LOSSES, smoothed, softmax_cross_entropy
from wbc_jax.training.mixing import mix_up, running_mean

pytestmark = pytest.mark.usefixtures("quick_compilation")
NUM_EXAMPLES, NUM_CLASSES = 6, 4
# Image i is one in its own place alone, so that a blend tells what it is made of.
BASIS = jnp.eye(NUM_EXAMPLES).reshape(NUM_EXAMPLES, 1, NUM_EXAMPLES, 1)


def draw_blends(seed: int, count: int, alpha: float) -> np.ndarray:
    """Of so many batches: row i is how much of each image the i-th blend has."""

    @jax.jit
    @jax.vmap
    def draw(key: jax.Array) -> jax.Array:
        return mix_up(BASIS, softmax_cross_entropy, key, alpha)[0]

    every = np.asarray(draw(jax.random.split(jax.random.key(seed), count)), np.float64)
    return every.reshape(count, NUM_EXAMPLES, NUM_EXAMPLES)


@pytest.mark.parametrize(("name", "smoothing"), [*zip(LOSSES, (0.0, 0.2), strict=True)])
def test_the_loss_is_that_against_the_targets_mixed_as_the_images_are(
    name: str, smoothing: float
) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(scale=3, size=(NUM_EXAMPLES, NUM_CLASSES)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 1, 0])
    target = (1 - smoothing) * np.eye(NUM_CLASSES)[labels] + smoothing / NUM_CLASSES

    @jax.jit
    def mix(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        image, loss = mix_up(BASIS, smoothed(LOSSES[name], smoothing), key, 1.0)
        return image, loss(jnp.asarray(logits), jnp.asarray(labels))

    for seed in range(5):
        image, losses = mix(jax.random.key(seed))
        parts = np.asarray(image, np.float64).reshape(NUM_EXAMPLES, NUM_EXAMPLES)
        np.testing.assert_allclose(losses, SOFT_REFERENCES[name](logits, parts @ target), rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.2, 4.0])
def test_every_image_is_blended_with_another_by_one_weight_of_the_beta_distribution(
    alpha: float,
) -> None:
    every = draw_blends(0, 2000, alpha)
    np.testing.assert_allclose(every.sum(axis=2), 1, rtol=1e-5)
    np.testing.assert_allclose(every.sum(axis=1), 1, rtol=1e-5)  # a permutation of the others
    own = np.diagonal(every, axis1=1, axis2=2)
    others = every - own[:, :, None] * np.eye(NUM_EXAMPLES)
    alone = others.sum(axis=2) == 0  # blended with itself, or with nothing of the other
    pure = alone.all(axis=1)
    assert alone[~pure].mean() == pytest.approx(1 / NUM_EXAMPLES, abs=0.02)
    own = np.where(alone, np.nan, own)
    own[pure] = 1
    np.testing.assert_allclose(np.nanstd(own, axis=1), 0, atol=1e-6)
    weights = np.nanmean(own, axis=1)
    assert weights.min() >= 0.5
    # The larger of w and 1 - w, both from one symmetric distribution.
    distribution = stats.beta(alpha, alpha)
    test = stats.kstest(weights, lambda w: distribution.cdf(w) - distribution.cdf(1 - w))
    assert test.pvalue > 1e-4


def test_the_key_decides_the_blend() -> None:
    first, other = draw_blends(0, 2, 1.0)
    np.testing.assert_array_equal(draw_blends(0, 2, 1.0), [first, other])
    assert not np.array_equal(first, other)


def running(values: list[Any], decay: float) -> Any:
    average = jax.tree.map(lambda leaf: jnp.full_like(leaf, 123.0), values[0])
    for step, now in enumerate(values):
        average = _running_mean(average, now, decay, jnp.asarray(step))
    return average


_running_mean = jax.jit(running_mean, static_argnums=2)


def draw_trees(count: int) -> list[Any]:
    random = np.random.default_rng(0)
    return [
        {"a": jnp.asarray(random.normal(size=(2, 3)), jnp.float32), "b": {"c": jnp.array(float(i))}}
        for i in range(count)
    ]


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_the_first_step_leaves_nothing_of_what_was_before(decay: float) -> None:
    values = draw_trees(1)
    jax.tree.map(np.testing.assert_array_equal, running(values, decay), values[0])


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("count", [2, 3, 30])
def test_later_it_is_the_weighted_mean_of_the_closed_form(decay: float, count: int) -> None:
    values = draw_trees(count)
    kept = [0.0] + [min(decay, (1 + step) / (10 + step)) for step in range(1, count)]
    # What each step adds, less what every later step takes from it.
    weights = [(1 - kept[i]) * np.prod(kept[i + 1 :]) for i in range(count)]
    assert sum(weights) == pytest.approx(1)
    expected = jax.tree.map(
        lambda *leaves: sum(
            w * np.asarray(leaf, np.float64) for w, leaf in zip(weights, leaves, strict=True)
        ),
        *values,
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        running(values, decay),
        expected,
    )


def test_the_dtypes_stay() -> None:
    average = running(draw_trees(3), 0.9)
    assert {leaf.dtype for leaf in jax.tree.leaves(average)} == {jnp.dtype("float32")}
