"""Optimizers step by step against NumPy, schedules at the steps that matter."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs.cnn import get_config
from wbc_jax.errors import UserError
from wbc_jax.training.optimizers import create_optimizer, create_schedule
from wbc_jax.training.step_parts import build_schedule

GRADIENTS = [np.array([1.0, -2.0, 0.5]), np.array([0.5, 1.0, -3.0])]


def updates_of(tx: optax.GradientTransformation) -> list[np.ndarray]:
    params = {"w": jnp.zeros(3)}
    state, updates = tx.init(params), []
    for gradient in GRADIENTS:
        update, state = tx.update({"w": jnp.asarray(gradient, jnp.float32)}, state, params)
        updates.append(np.asarray(update["w"]))
    return updates


def test_a_configs_epochs_are_so_many_steps() -> None:
    config = get_config("smoke")
    config.train.num_epochs = 4
    config.optim.update(schedule="cosine", learning_rate=0.2, warmup_epochs=1.5)
    schedule = build_schedule(config, steps_per_epoch=10)
    rates = [float(schedule(step)) for step in (0, 3, 15, 40)]
    assert rates == pytest.approx([0.0, 0.04, 0.2, 0.0], abs=1e-7)


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_adam_is_its_published_algorithm(momentum: float) -> None:
    m = v = np.zeros(3)
    expected = []
    for t, gradient in enumerate(GRADIENTS, start=1):
        m = momentum * m + (1 - momentum) * gradient
        v = 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - momentum**t), v / (1 - 0.999**t)
        expected.append(-0.01 * m_hat / (np.sqrt(v_hat) + 1e-8))
    tx = create_optimizer("adam", schedule=optax.constant_schedule(0.01), momentum=momentum)
    np.testing.assert_allclose(updates_of(tx), expected, rtol=1e-4)


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_sgd_accumulates_its_velocity(momentum: float) -> None:
    first = GRADIENTS[0]
    second = momentum * first + GRADIENTS[1]
    tx = create_optimizer("sgd", schedule=optax.constant_schedule(0.1), momentum=momentum)
    np.testing.assert_allclose(updates_of(tx), [-0.1 * first, -0.1 * second], rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_applied_at_once_it_is_the_same(name: str, form: str) -> None:
    schedule = create_schedule("cosine", learning_rate=0.1, num_train_steps=4, num_warmup_steps=1)
    tx = create_optimizer(name, schedule=schedule, momentum=0.9)
    params = {"a": jnp.arange(3.0), "b": {"c": jnp.ones((2, 5)), "d": jnp.asarray(2.0)}}
    got = expected = (params, tx.init(params))
    for step in range(4):
        gradients = jax.tree.map(lambda p, s=step: jnp.cos(p + s), params)
        got = tx.apply(gradients, got[1], got[0])
        updates, state = tx.update(gradients, expected[1], expected[0])
        expected = optax.apply_updates(expected[0], updates), state
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), got, expected)
    jaxpr = str(jax.make_jaxpr(tx.apply)(params, got[1], params))
    assert (f"wbc_{name}" in jaxpr) == (form == "native")


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_the_schedule_is_followed_from_step_0(name: str) -> None:
    schedule = create_schedule(
        "constant", learning_rate=0.1, num_train_steps=10, num_warmup_steps=2
    )
    first, second = updates_of(create_optimizer(name, schedule=schedule, momentum=0.9))
    np.testing.assert_array_equal(first, 0)
    assert (second != 0).all()


@pytest.mark.parametrize(
    ("name", "num_warmup_steps", "values"),
    [
        ("constant", 0, {0: 0.2, 50: 0.2, 99: 0.2}),
        ("constant", 10, {0: 0.0, 5: 0.1, 10: 0.2, 99: 0.2}),
        ("cosine", 0, {0: 0.2, 25: 0.1 * (1 + 0.5**0.5), 50: 0.1, 100: 0.0}),
        ("cosine", 20, {0: 0.0, 10: 0.1, 20: 0.2, 60: 0.1, 100: 0.0}),
    ],
)
def test_schedules(name: str, num_warmup_steps: int, values: dict[int, float]) -> None:
    schedule = create_schedule(
        name, learning_rate=0.2, num_train_steps=100, num_warmup_steps=num_warmup_steps
    )
    for step, expected in values.items():
        assert float(schedule(step)) == pytest.approx(expected, abs=1e-7)


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(UserError, match=r"optim.schedule='step' .* choose one of constant, cosine"):
        create_schedule("step", learning_rate=0.1, num_train_steps=10, num_warmup_steps=0)


@pytest.mark.parametrize("num_warmup_steps", [-1, 10, 11])
def test_a_warmup_as_long_as_the_training_is_refused(num_warmup_steps: int) -> None:
    with pytest.raises(UserError, match=rf"warm-up of {num_warmup_steps} steps .* of 10; lower "):
        create_schedule(
            "cosine", learning_rate=0.1, num_train_steps=10, num_warmup_steps=num_warmup_steps
        )


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(UserError, match=r"optim.name='lion' is not known; choose one of adam, sgd"):
        create_optimizer("lion", schedule=optax.constant_schedule(0.1), momentum=0.9)


@pytest.mark.parametrize("name", ["adam", "sgd"])
@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_momentum_out_of_range_is_refused(name: str, momentum: float) -> None:
    with pytest.raises(UserError, match=rf"optim.momentum={momentum} must lie in \[0, 1\)"):
        create_optimizer(name, schedule=optax.constant_schedule(0.1), momentum=momentum)


@pytest.mark.parametrize("learning_rate", [0.0, -0.1, float("nan")])
def test_a_rate_that_is_no_positive_number_is_refused(learning_rate: float) -> None:
    with pytest.raises(UserError, match="learning_rate"):
        create_schedule(
            "constant", learning_rate=learning_rate, num_train_steps=10, num_warmup_steps=0
        )
