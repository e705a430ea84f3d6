"""Losses against float64 NumPy, against finite differences, and where naive formulas overflow."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import approx_fprime

from tests.training.loss_references import REFERENCES, SOFT_REFERENCES
from wbc_jax.errors import UserError
from wbc_jax.training.losses import LOSSES, binary_cross_entropy, smoothed, softmax_cross_entropy


def draw(num: int = 20, num_classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    logits = random.normal(scale=3, size=(num, num_classes)).astype(np.float32)
    return logits, random.integers(0, num_classes, num)


def test_every_loss_has_a_reference() -> None:
    assert REFERENCES.keys() == SOFT_REFERENCES.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_classes", [2, 4, 5])
def test_losses_are_their_formulas(name: str, num_classes: int) -> None:
    logits, labels = draw(num_classes=num_classes)
    losses = jax.jit(LOSSES[name])(logits, jnp.asarray(labels))
    assert losses.shape == (20,)
    np.testing.assert_allclose(losses, REFERENCES[name](logits, labels), rtol=2e-5, atol=1e-6)


def test_binary_cross_entropy_of_an_untrained_model() -> None:
    # 0.25 everywhere: one output of four is the class's.
    expected = -(np.log(0.25) + 3 * np.log(0.75)) / 4
    loss = jax.jit(binary_cross_entropy)(jnp.zeros((1, 4)), jnp.array([2]))
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_more_than_one_batch_axis(name: str) -> None:
    logits, labels = draw()
    loss = jax.jit(LOSSES[name])
    flat = loss(logits, labels)
    nested = loss(logits.reshape(4, 5, 4), labels.reshape(4, 5))
    np.testing.assert_allclose(nested.ravel(), flat, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_differences_of_the_formula(name: str) -> None:
    logits, labels = draw(num=6)
    gradient = jax.jit(jax.grad(lambda x: LOSSES[name](x, jnp.asarray(labels)).sum()))(logits)
    for row in range(6):
        expected = approx_fprime(
            logits[row].astype(np.float64),
            lambda x, row=row: REFERENCES[name](x[None], labels[row : row + 1])[0],
            1e-6,
        )
        np.testing.assert_allclose(gradient[row], expected, atol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("logits", "label"),
    [
        ([1e4, -1e4, -1e4, -1e4], 0),
        ([1e4, -1e4, -1e4, -1e4], 1),
        ([1e4, 1e4, -1e4, 0.0], 0),
        ([-1e4, -1e4, -1e4, -1e4], 3),
        ([0.0, 0.0, 0.0, -1e4], 3),
    ],
)
def test_values_and_gradients_stay_finite_at_huge_logits(
    name: str, logits: list[float], label: int
) -> None:
    value, gradient = jax.jit(jax.value_and_grad(lambda x: LOSSES[name](x, jnp.array(label))))(
        jnp.array(logits)
    )
    assert np.isfinite(value)
    assert value >= 0
    assert np.isfinite(gradient).all()


def test_a_sure_mistake_costs_what_the_logits_say() -> None:
    logits, label = jnp.array([1e4, -1e4, -1e4, -1e4]), jnp.array(1)
    # Two wrong outputs: -log p_1 and -log(1 - p_0), the latter softer by the three others.
    loss, gradient = jax.jit(jax.value_and_grad(binary_cross_entropy))(logits, label)
    np.testing.assert_allclose(loss, 4e4 / 4, rtol=1e-4)
    np.testing.assert_allclose(jax.jit(softmax_cross_entropy)(logits, label), 2e4, rtol=1e-6)
    assert gradient[0] > 0.4  # where Keras, which clips p, has no gradient left
    assert gradient[1] < -0.2


@pytest.mark.parametrize("name", LOSSES)
def test_a_sure_and_right_answer_costs_nothing(name: str) -> None:
    loss = jax.jit(LOSSES[name])(jnp.array([-1e4, 1e4, -1e4, -1e4]), jnp.array(1))
    np.testing.assert_allclose(loss, 0, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_classes", [2, 5])
def test_smoothing_is_the_loss_against_the_smoothed_target(name: str, num_classes: int) -> None:
    logits, labels = draw(num_classes=num_classes)
    target = optax.smooth_labels(np.eye(num_classes)[labels], 0.3)
    losses = jax.jit(smoothed(LOSSES[name], 0.3))(logits, jnp.asarray(labels))
    assert losses.shape == (20,)
    expected = SOFT_REFERENCES[name](logits, np.asarray(target))
    np.testing.assert_allclose(losses, expected, rtol=2e-5, atol=1e-6)
    if name == "softmax_cross_entropy":
        np.testing.assert_allclose(losses, optax.softmax_cross_entropy(logits, target), rtol=2e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_smoothed_loss_stays_finite_at_huge_logits(name: str) -> None:
    loss = smoothed(LOSSES[name], 0.1)
    value, gradient = jax.jit(jax.value_and_grad(lambda x: loss(x, jnp.array(0))))(
        jnp.array([1e4, -1e4, -1e4, -1e4])
    )
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_no_smoothing_is_the_loss_itself() -> None:
    assert smoothed(softmax_cross_entropy, 0.0) is softmax_cross_entropy


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_a_smoothing_out_of_range_is_refused(smoothing: float) -> None:
    message = rf"train\.label_smoothing={smoothing} must lie in \[0, 1\); 0\.1 is usual"
    with pytest.raises(UserError, match=message):
        smoothed(softmax_cross_entropy, smoothing)
