"""Everything a config names, built: data, network, optimizer, devices. The config stops here.

experiment = build_experiment(config, Places(None, cache))
state = experiment.initial_state()
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import jax
import numpy as np
from jax.sharding import Mesh
from jax.stages import Traced, Wrapped
from jaxtyping import Float
from ml_collections import ConfigDict

from wbc_jax.data.examples import Examples
from wbc_jax.data.load import Data
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.evaluation.inference import make_predict
from wbc_jax.evaluation.results import PartLogits
from wbc_jax.training.config_rules import require_valid
from wbc_jax.training.non_finite import Look, make_look
from wbc_jax.training.optimizers import Optimizer
from wbc_jax.training.prepare_data import prepare_data
from wbc_jax.training.processes import first_then_others
from wbc_jax.training.rngs import named_key
from wbc_jax.training.sharding import (
    create_mesh,
    replicated,
    require_divisible,
    split_by_example,
)
from wbc_jax.training.step_parts import build_optimizer, build_schedule
from wbc_jax.training.task import Task
from wbc_jax.training.train_state import Progress, TrainState, Variables, create_train_state
from wbc_jax.training.train_step import make_run_steps, make_train_step, zero_sums


@dataclass(frozen=True)
class Experiment:
    """A run ready to train or to be evaluated.

    Attributes:
        data: its images.
        task: what it learns, with the network that does.
        tx: its optimizer.
        mesh: its devices.
        run_steps: many training steps in one call.
        look: what names the first value of a step that is no finite number.
        steps_per_epoch: full batches in the training part.
        seed: of everything random.
        keeps_average: whether the state holds the running mean of the weights.
    """

    data: Data
    task: Task
    tx: Optimizer
    mesh: Mesh
    run_steps: Wrapped
    look: Look
    steps_per_epoch: int
    seed: int
    keeps_average: bool

    def initial_state(self) -> TrainState:
        """Returns the state before the first step, on the devices."""
        return self._traced_state.lower().compile()()

    def abstract_state(self) -> TrainState:
        """Returns shapes, dtypes and shardings of the state, without computing it."""
        sharding = replicated(self.mesh)
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            self._traced_state.out_info,
        )

    def abstract_progress(self) -> Progress:
        """Returns the same of the state with an epoch's sums, as a checkpoint holds them."""
        sharding = replicated(self.mesh)
        sums = {
            name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
            for name, leaf in jax.eval_shape(partial(zero_sums, self.task.metrics)).items()
        }
        return Progress(self.abstract_state(), sums)

    @cached_property
    def _traced_state(self) -> Traced:
        """What creates the state, traced once for its shapes and its values."""

        def create_state() -> TrainState:
            key = named_key(self.seed, "params")
            return create_train_state(
                self.task.model,
                self.tx,
                key,
                image_shape=self.task.image_shape,
                keeps_average=self.keeps_average,
            )

        return jax.jit(create_state, out_shardings=replicated(self.mesh)).trace()


def build_experiment(config: ConfigDict, places: Places, *, trains: bool = True) -> Experiment:
    """Builds all that training and evaluation need; what can be refused is refused here.

    Args:
        config: of the run.
        places: where its images come from.
        trains: False: to evaluate only, on whatever devices there are.

    Raises:
        UserError: a field has a value that cannot work; the message names field, rule and remedy.
    """
    mesh = create_mesh(config.mesh.num_devices if trains else 0)
    if trains:
        require_divisible("train.batch_size", config.train.batch_size, mesh)
    plan = require_valid(config)
    data = first_then_others(lambda: prepare_data(config, places))
    train = data.partition.train
    steps_per_epoch = len(train.label) // config.train.batch_size
    if steps_per_epoch == 0:
        largest = _largest_batch(len(train.label), mesh.size)
        raise UserError(
            f"train.batch_size={config.train.batch_size} is larger than the training set of "
            f"{len(train.label)} images; "
            + (f"try {largest}" if largest else "hold fewer out, or use fewer devices")
        )
    task = plan(data)
    tx = build_optimizer(config, build_schedule(config, steps_per_epoch))
    train_step = make_train_step(
        task.model,
        tx,
        task.feed,
        average_decay=config.train.average_decay,
        metrics=task.example_metrics,
    )
    experiment = Experiment(
        data=data,
        task=task,
        tx=tx,
        mesh=mesh,
        run_steps=make_run_steps(train_step, split_by_example(mesh)),
        look=make_look(task.model, tx, task.feed),
        steps_per_epoch=steps_per_epoch,
        seed=config.seed,
        keeps_average=config.train.average_decay > 0,
    )
    experiment.abstract_state()  # layers that do not fit together are refused now
    return experiment


def make_predict_part(
    config: ConfigDict, experiment: Experiment, part: Examples
) -> Callable[[Variables], Float[np.ndarray, "n ..."]]:
    """Returns what computes the logits of one part of the run's images; no rows where it is empty.

    Args:
        config: of the run.
        experiment: built from it.
        part: of `experiment.data.partition`.
    """
    if len(part.label) == 0:
        return lambda variables: np.zeros((0, len(experiment.data.classes)), np.float32)
    task = experiment.task
    return make_predict(
        task.model,
        task.to_input,
        experiment.mesh,
        part.image,
        batch_size=config.eval.batch_size,
        flips=config.eval.test_time_flips,
        merge=task.merge_views,
    )


def make_predict_parts(
    config: ConfigDict, experiment: Experiment
) -> Callable[[Variables], PartLogits]:
    """Returns what computes the logits of the run's validation and test images."""
    partition = experiment.data.partition
    validation, test = (
        make_predict_part(config, experiment, part)
        for part in (partition.validation, partition.test)
    )
    return lambda variables: PartLogits(validation(variables), test(variables))


def _largest_batch(num_examples: int, num_devices: int) -> int:
    """Returns the largest usual batch size that fits the set and divides among the devices."""
    return min(32, num_examples) // num_devices * num_devices
