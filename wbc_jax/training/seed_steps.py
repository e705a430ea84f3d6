"""The training steps of several seeds of one config in one program, by vmap.

steps = SeedSteps(config, experiments)
states, sums = steps.run(states, sums, epoch=1, first=0, last=10)

Every array has the seeds as its first axis, along which it lies on the devices. Each seed keeps
what is its own: images, their statistics, their order, random keys, its steps in an epoch and its
learning rates. A seed with fewer steps than another waits at the end of the epoch.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int
from ml_collections import ConfigDict

from wbc_jax.data.bands import make_to_input
from wbc_jax.data.input_pipeline import epoch_order, image_and_label
from wbc_jax.training.experiment import Experiment
from wbc_jax.training.rngs import named_key
from wbc_jax.training.step_parts import (
    build_feed,
    build_optimizer,
    build_schedule,
)
from wbc_jax.training.train_state import TrainState
from wbc_jax.training.train_step import Batch, Keys, Sums, make_train_step

Tree = Any
SeedSums = dict[str, Float[Array, " s"]]  # of every seed


def seed_sharding(num_seeds: int, devices: Sequence[jax.Device]) -> NamedSharding:
    """Returns how arrays of several seeds lie on as many devices as share them evenly."""
    number = max(n for n in range(1, len(devices) + 1) if num_seeds % n == 0)
    mesh: Mesh = jax.make_mesh((number,), ("seeds",), (AxisType.Auto,), devices=devices[:number])
    return NamedSharding(mesh, PartitionSpec("seeds"))


def stack(trees: Sequence[Tree], sharding: NamedSharding) -> Tree:
    """Returns one tree whose arrays have the trees as their first axis, on the devices."""
    stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)
    return jax.device_put(stacked, sharding)


def padded(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Returns arrays of different lengths as one, filled up with rows of zeros at their ends."""
    longest = max(map(len, arrays))
    whole = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(whole, arrays, strict=True):
        row[: len(array)] = array
    return whole


class SeedSteps:
    """The compiled steps and what they work on.

    Attributes:
        num_steps: of an epoch, by seed.
        sharding: of every array.
    """

    def __init__(self, config: ConfigDict, experiments: Sequence[Experiment]) -> None:
        """Puts the images of every seed on the devices.

        Args:
            config: of one of them.
            experiments: of configs that differ in the seed alone.
        """
        self._config = config
        self._experiments = experiments
        self.sharding = seed_sharding(
            len(experiments), experiments[0].mesh.devices.ravel().tolist()
        )
        self.num_steps = [own.steps_per_epoch for own in experiments]
        seeds = [own.seed for own in experiments]
        self._keys = {
            name: self._put(jnp.stack([named_key(seed, name) for seed in seeds]))
            for name in ("dropout", "augment")
        }
        self._own = self._put(self._arrays())
        self._order_of = lru_cache(maxsize=1)(self._draw_order)
        self._run = jax.jit(
            jax.vmap(self._one_seed, in_axes=(0, 0, 0, None, None, 0, 0)),
            donate_argnums=0,
            out_shardings=self.sharding,
        )

    def _put(self, tree: Tree) -> Tree:
        return jax.device_put(tree, self.sharding)

    def _arrays(self) -> dict[str, Any]:
        """Returns every seed's images, their statistics, its learning rates and steps an epoch."""
        parts = [own.data.partition.train for own in self._experiments]
        count = jnp.arange(max(self.num_steps) * self._config.train.num_epochs)
        rates = [
            np.broadcast_to(build_schedule(self._config, number)(count), count.shape)
            for number in self.num_steps
        ]
        return {
            "examples": jax.tree.map(lambda *own: padded(own), *map(image_and_label, parts)),
            "statistics": jax.tree.map(
                lambda *own: np.stack(own), *(own.task.statistics for own in self._experiments)
            ),
            "rates": np.stack(rates).astype(np.float32),
            "num_steps": np.array(self.num_steps, np.int32),
        }

    def _draw_order(self, epoch: int) -> Int[Array, "s steps b"]:
        drawn = [
            epoch_order(
                named_key(own.seed, "order"),
                epoch,
                num_examples=len(own.data.partition.train.label),
                batch_size=self._config.train.batch_size,
                shares=own.task.shares,
            )
            for own in self._experiments
        ]
        return self._put(padded([np.asarray(order) for order in drawn]))

    def run(
        self, states: TrainState, sums: SeedSums, *, epoch: int, first: int, last: int
    ) -> tuple[TrainState, SeedSums]:
        """Takes the steps `first` to `last` - 1 of an epoch, of every seed that has them.

        Args:
            states: of the seeds; consumed.
            sums: of their metrics over the epoch's steps so far.
            epoch: counted from 1.
            first: number of steps of the epoch that are done.
            last: number of steps of the epoch that are done afterwards.
        """
        return self._run(states, sums, self._order_of(epoch), first, last, self._keys, self._own)

    def _one_seed(
        self,
        state: TrainState,
        sums: Sums,
        order: Int[Array, "steps b"],
        first: Int[Array, ""],
        last: Int[Array, ""],
        keys: Keys,
        own: dict[str, Any],
    ) -> tuple[TrainState, Sums]:
        config, examples = self._config, own["examples"]
        rates = own["rates"]
        feed = build_feed(config, make_to_input(config.data.bands, own["statistics"]))
        tx = build_optimizer(config, lambda step: rates[step])
        train_step = make_train_step(
            self._experiments[0].task.model, tx, feed, average_decay=config.train.average_decay
        )

        def body(index: Array, carry: tuple[TrainState, Sums]) -> tuple[TrainState, Sums]:
            batch: Batch = jax.tree.map(lambda array: array[order[index]], examples)
            state, step_sums = train_step(carry[0], batch, keys)
            done = state, jax.tree.map(jnp.add, carry[1], step_sums)
            is_taken = index < own["num_steps"]
            return jax.tree.map(lambda new, old: jnp.where(is_taken, new, old), done, carry)

        return lax.fori_loop(first, last, body, (state, sums))
