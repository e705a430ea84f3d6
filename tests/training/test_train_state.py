"""The state before the first step: complete, pure, the same for the same key."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.models.tiny_models import IMAGE_SHAPE, tiny_model
from wbc_jax.errors import UserError
from wbc_jax.training.train_state import TrainState, create_train_state

TX = optax.sgd(0.1, momentum=0.9)


def create(key: jax.Array, *, keeps_average: bool = False, **layers: Any) -> TrainState:
    model = small_model(**layers)
    return create_train_state(model, TX, key, image_shape=IMAGE_SHAPE, keeps_average=keeps_average)


def small_model(**layers: Any) -> nn.Module:
    return tiny_model("cnn", **({"conv_features": (4,), "dense_features": ()} | layers))


@pytest.fixture(scope="module")
def states() -> list[TrainState]:
    draw = jax.jit(create)
    return [draw(jax.random.key(seed)) for seed in (0, 0, 1)]


def test_a_network_with_other_outputs_than_classes_is_refused() -> None:
    class Seven(nn.Module):
        num_classes: int

        @nn.compact
        def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
            return nn.Dense(7)(image.mean(axis=(1, 2)))

    with pytest.raises(UserError, match=r"Seven answers with 7 numbers and not .*num_classes=4"):
        create_train_state(Seven(4), TX, jax.random.key(0), image_shape=IMAGE_SHAPE)
    create_train_state(Seven(7), TX, jax.random.key(0), image_shape=IMAGE_SHAPE)


def test_the_key_alone_decides_the_weights(states: list[TrainState]) -> None:
    first, same, other = states
    jax.tree.map(np.testing.assert_array_equal, first, same)
    assert not np.array_equal(first.params["Conv_0"]["kernel"], other.params["Conv_0"]["kernel"])


def test_a_state_starts_at_step_0_with_an_empty_optimizer(states: list[TrainState]) -> None:
    state = states[0]
    assert (state.step.shape, state.step.dtype, int(state.step)) == ((), jnp.int32, 0)
    jax.tree.map(np.testing.assert_array_equal, state.opt_state, TX.init(state.params))
    assert jax.tree.map(jnp.shape, state.opt_state[0].trace) == jax.tree.map(
        jnp.shape, state.params
    )
    for statistics in state.batch_stats.values():
        np.testing.assert_array_equal(statistics["mean"], 0)
        np.testing.assert_array_equal(statistics["var"], 1)


def test_its_variables_are_what_the_model_takes(states: list[TrainState]) -> None:
    state = states[0]
    assert state.variables == {"params": state.params, "batch_stats": state.batch_stats}
    image = jnp.zeros((1, *IMAGE_SHAPE))
    expected = jax.eval_shape(small_model().init, jax.random.key(0), image)
    assert jax.tree.map(jnp.shape, state.variables) == jax.tree.map(jnp.shape, expected)


def test_no_average_is_kept_unless_asked_for(states: list[TrainState]) -> None:
    assert states[0].average == {}


def test_an_average_has_the_weights_shapes_and_predicts_in_their_place() -> None:
    state = jax.eval_shape(lambda key: create(key, keeps_average=True), jax.random.key(0))
    assert state.average == {"params": state.params, "batch_stats": state.batch_stats}
    state = state.replace(params="the last weights", batch_stats="the last statistics")
    assert state.variables is state.average
    assert state.replace(average={}).variables == {
        "params": "the last weights",
        "batch_stats": "the last statistics",
    }


def test_a_model_without_statistics_has_none() -> None:
    state = jax.eval_shape(lambda key: create(key, num_norms=0), jax.random.key(0))
    assert state.batch_stats == {}
