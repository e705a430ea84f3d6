"""What a config names reaches the run: which parts are predicted, how, and by which weights."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.datasets.places import Places
from wbc_jax.training.experiment import Experiment, build_experiment, make_predict_parts


def build(config: Any, cache_dir: Path) -> Experiment:
    return build_experiment(config, Places(None, cache_dir))


@pytest.mark.usefixtures("quick_compilation")
def test_validation_and_test_are_predicted_in_their_order_and_with_flips_where_asked(
    tiny_config: Any, cache_dir: Path
) -> None:
    config = tiny_config(changes={"data.validation_share": 0.34})
    experiment = build(config, cache_dir)
    # The last layer starts at zero: without this all logits would be alike.
    random = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda leaf: random.uniform(-0.3, 0.3, leaf.shape).astype(leaf.dtype),
        experiment.abstract_state().variables,
    )
    variables["batch_stats"] = jax.tree.map(lambda leaf: np.abs(leaf) + 1, variables["batch_stats"])
    logits = make_predict_parts(config, experiment)(variables)
    partition, apply = experiment.data.partition, jax.jit(experiment.task.model.apply)
    assert logits.validation.shape == (len(partition.validation.label), 4)
    assert logits.test.shape == (len(partition.test.label), 4)
    assert len(np.unique(logits.test, axis=0)) > 1
    for part, got in ((partition.validation, logits.validation), (partition.test, logits.test)):
        expected = apply(variables, experiment.task.to_input(jnp.asarray(part.image)))
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3)

    config.eval.test_time_flips = True
    flipped = make_predict_parts(config, experiment)(variables)
    np.testing.assert_allclose(np.exp(flipped.test).sum(axis=-1), 1, rtol=1e-4)
    assert np.abs(jax.nn.softmax(logits.test) - np.exp(flipped.test)).max() > 0.01


def test_a_part_without_images_is_not_predicted(tiny_config: Any, cache_dir: Path) -> None:
    config = tiny_config()
    experiment = build(config, cache_dir)
    variables = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype), experiment.abstract_state().variables
    )
    logits = make_predict_parts(config, experiment)(variables)
    assert logits.validation.shape == (0, 4)
    assert logits.validation.dtype == np.float32


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_state_has_room_for_an_average_where_one_is_kept(
    decay: float, tiny_config: Any, cache_dir: Path
) -> None:
    state = build(tiny_config(changes={"train.average_decay": decay}), cache_dir).abstract_state()
    if decay:
        assert state.average == {"params": state.params, "batch_stats": state.batch_stats}
    else:
        assert state.average == {}
