"""Our networks on random images, built from their configs as a run builds them.

config = load_config("cnn", batch_size=32)
ours = build(config, random_examples(config, count=1987))
steps = ours.compile()
steps.run(10)
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh
from jax.stages import Wrapped
from ml_collections import ConfigDict

from benchmarks.compiled_steps import CompiledSteps
from benchmarks.timing import Run
from wbc_jax.data.bands import band_statistics, is_gray, make_to_input
from wbc_jax.data.examples import Examples
from wbc_jax.evaluation.inference import ToInput, make_predict
from wbc_jax.models import create_model
from wbc_jax.training.rngs import named_key
from wbc_jax.training.sharding import create_mesh, replicated, require_divisible, split_by_example
from wbc_jax.training.step_parts import build_feed, build_optimizer, build_schedule
from wbc_jax.training.train_state import TrainState, create_train_state
from wbc_jax.training.train_step import make_run_steps, make_train_step

BATCHES_PER_PREDICTION = 4  # a run predicts its 500 test images in five


@dataclass(frozen=True)
class Ours:
    """A network with its optimizer, data and devices, ready to be compiled.

    Attributes:
        config: it was built from.
        train: its images.
        model: the network.
        mesh: its devices.
        to_input: uint8 images to standardised bands.
        run_steps: many training steps in one call.
        create_state: what draws the state before the first step.
    """

    config: ConfigDict
    train: Examples
    model: nn.Module
    mesh: Mesh
    to_input: ToInput
    run_steps: Wrapped
    create_state: Callable[[], TrainState]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and bands of the network's input."""
        return (self.config.data.image_size, self.config.data.image_size, 3)

    def compile(self) -> CompiledSteps:
        """Returns the training, ready to run."""
        # The first state is not timed: its program need not be a fast one.
        create_state = jax.jit(
            self.create_state,
            out_shardings=replicated(self.mesh),
            compiler_options={"xla_backend_optimization_level": 0},
        )
        return CompiledSteps(
            self.run_steps,
            create_state(),
            self.train,
            self.mesh,
            batch_size=self.config.train.batch_size,
            steps_per_call=self.config.train.steps_per_call,
            seed=self.config.seed,
        )

    def predictor(self, steps: CompiledSteps) -> Run:
        """Returns what predicts batches of the training's size with the weights it has by then.

        It does so through `make_predict`, as evaluation does, `BATCHES_PER_PREDICTION` at a time.
        """
        batch_size = self.config.train.batch_size
        predict = make_predict(
            self.model,
            self.to_input,
            self.mesh,
            self.train.image[: BATCHES_PER_PREDICTION * batch_size],
            batch_size=batch_size,
        )

        def run(num_batches: int) -> None:
            for _ in range(-(-num_batches // BATCHES_PER_PREDICTION)):
                predict(steps.state.variables)

        return run


def load_config(
    name: str,
    *,
    batch_size: int,
    dtype: str = "float32",
    image_size: int = 50,
    num_devices: int = 1,
) -> ConfigDict:
    """Returns a network's config for the paper's images, with what a benchmark varies."""
    config = importlib.import_module(f"configs.{name}").get_config("paper")
    config.model.dtype = dtype
    config.data.image_size = image_size
    config.train.batch_size = batch_size
    config.mesh.num_devices = num_devices
    return config


def random_examples(config: ConfigDict, *, count: int) -> Examples:
    """Returns `count` images of noise, of the shape that the config's preprocessing makes."""
    random = np.random.default_rng(config.seed)
    side, channels = config.data.image_size, 1 if is_gray(config.data.bands) else 3
    return Examples(
        image=random.integers(0, 256, (count, side, side, channels), np.uint8),
        label=random.integers(0, config.data.num_classes, count, np.int32),
        filename=np.full(count, "noise"),
        source=np.full(count, "noise"),
        scene=np.full(count, "noise"),
    )


def build(config: ConfigDict, train: Examples) -> Ours:
    """Builds what `wbc_jax.training.experiment.build_experiment` builds, on the images given.

    Raises:
        UserError: a field has a value that cannot work.
    """
    data = config.data
    mesh = create_mesh(config.mesh.num_devices)
    require_divisible("train.batch_size", config.train.batch_size, mesh)
    model = create_model(num_classes=data.num_classes, **config.model.to_dict())
    steps_per_epoch = len(train.label) // config.train.batch_size
    tx = build_optimizer(config, build_schedule(config, steps_per_epoch))
    to_input = make_to_input(data.bands, band_statistics(train.image, data.bands))
    feed = build_feed(config, to_input)
    train_step = make_train_step(model, tx, feed, average_decay=config.train.average_decay)

    def create_state() -> TrainState:
        key = named_key(config.seed, "params")
        shape = (data.image_size, data.image_size, 3)
        return create_train_state(
            model,
            tx,
            key,
            image_shape=shape,
            keeps_average=config.train.average_decay > 0,
        )

    return Ours(
        config=config,
        train=train,
        model=model,
        mesh=mesh,
        to_input=to_input,
        run_steps=make_run_steps(train_step, split_by_example(mesh)),
        create_state=create_state,
    )


def num_params(state: TrainState) -> int:
    """Returns the number of learned numbers."""
    return sum(leaf.size for leaf in jax.tree.leaves(state.params))
