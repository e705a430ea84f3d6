"""What is timed is what a run compiles."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from benchmarks import ours
from benchmarks.compiled_steps import CompiledSteps
from wbc_jax.data.input_pipeline import epoch_order, image_and_label
from wbc_jax.data.replication import put_everywhere
from wbc_jax.datasets.places import Places
from wbc_jax.training.experiment import Experiment, build_experiment
from wbc_jax.training.rngs import named_key
from wbc_jax.training.sharding import replicated
from wbc_jax.training.train_step import zero_sums


def program(built: ours.Ours | Experiment, train: ours.Examples, config: ConfigDict) -> str:
    """The compiled training as text, before XLA's own changes."""
    batch_size = config.train.batch_size
    order = epoch_order(
        named_key(0, "order"), 1, num_examples=len(train.label), batch_size=batch_size
    )
    keys = {name: named_key(0, name) for name in ("dropout", "augment")}
    create = built.create_state if isinstance(built, ours.Ours) else built.initial_state
    examples = put_everywhere(image_and_label(train), replicated(built.mesh))
    arguments = (jax.eval_shape(create), zero_sums(), examples, order, 0, 1, keys)
    return built.run_steps.lower(*arguments).as_text()


def test_the_step_is_the_one_that_a_run_compiles(
    tiny_config: Callable[..., ConfigDict], cache_dir: Path
) -> None:
    config = tiny_config()
    experiment = build_experiment(config, Places(None, cache_dir))
    train = experiment.data.partition.train
    built = ours.build(config, train)
    assert program(built, train, config) == program(experiment, train, config)
    changed = tiny_config(changes={"augment.mirror": False})
    assert program(ours.build(changed, train), train, config) != program(experiment, train, config)


@pytest.fixture
def steps(tiny_config: Callable[..., ConfigDict]) -> CompiledSteps:
    config = tiny_config(changes={"train.batch_size": 4, "train.steps_per_call": 3})
    return ours.build(config, ours.random_examples(config, count=21)).compile()


@pytest.mark.usefixtures("quick_compilation")
def test_as_many_steps_are_taken_as_asked_for(steps: CompiledSteps) -> None:
    assert steps.steps_per_epoch == 5
    for num_steps, in_all in ((1, 1), (7, 8), (4, 12)):
        steps.run(num_steps)
        assert int(steps.state.step) == in_all
    steps.run_epoch()
    assert int(steps.state.step) == 17
    steps.run_epoch_in_one_call()
    assert int(steps.state.step) == 22
    steps.require_finite()


@pytest.mark.usefixtures("quick_compilation")
def test_a_loss_that_is_no_number_is_no_measurement(steps: CompiledSteps) -> None:
    params = jax.tree.map(lambda leaf: leaf * np.nan, steps.state.params)
    steps.state = steps.state.replace(params=params)
    steps.run(1)
    with pytest.raises(RuntimeError, match="no longer finite"):
        steps.require_finite()


def test_noise_has_the_shape_that_preprocessing_makes(
    tiny_config: Callable[..., ConfigDict],
) -> None:
    gray = ours.random_examples(tiny_config(), count=5)
    colour = ours.random_examples(tiny_config(changes={"data.bands": "rgb"}), count=5)
    assert gray.image.shape == (5, 16, 16, 1)
    assert colour.image.shape == (5, 16, 16, 3)
    assert gray.image.dtype == np.uint8


def test_the_config_is_the_papers_but_for_what_varies() -> None:
    config = ours.load_config("vgg19", batch_size=64, dtype="bfloat16")
    assert (config.data.protocol, config.train.batch_size) == ("paper", 64)
    assert (config.model.dtype, config.mesh.num_devices) == ("bfloat16", 1)
