"""The training images on the devices and the compiled steps over them.

trainer = Trainer(config, experiment, progress)
progress, metrics, seconds = trainer.epoch(progress, 3)
progress = trainer.one_step(progress, step=120)            # the same step again, for a look at it
"""

import logging
import time
from functools import lru_cache
from typing import Any

import jax
from jaxtyping import Array, Int, Key
from ml_collections import ConfigDict

from wbc_jax.data.input_pipeline import epoch_order
from wbc_jax.data.replication import put_everywhere
from wbc_jax.training.epoch import EpochResult, run_epoch
from wbc_jax.training.experiment import Experiment
from wbc_jax.training.rngs import named_key
from wbc_jax.training.sharding import replicated
from wbc_jax.training.train_state import Progress
from wbc_jax.training.train_step import Batch, Keys

_log = logging.getLogger(__name__)


class Trainer:
    """What takes training steps, an epoch of them or one.

    The data's whole state is the seed and the number of steps done, so any step can be taken again.
    """

    def __init__(self, config: ConfigDict, experiment: Experiment, progress: Progress) -> None:
        """Puts the images on the devices and compiles the steps, so that an epoch only trains.

        Args:
            config: of the run.
            experiment: built from it.
            progress: one like those to come.
        """
        self._config = config
        self._in_words = experiment.task.in_words
        self._steps_per_epoch = experiment.steps_per_epoch
        everywhere = replicated(experiment.mesh)
        train_part = experiment.data.partition.train
        self._examples = put_everywhere(experiment.task.on_devices(train_part), everywhere)
        shares = experiment.task.shares

        def named_keys() -> dict[str, Key[Array, ""]]:
            return {name: named_key(config.seed, name) for name in ("dropout", "augment", "order")}

        self._keys = jax.jit(named_keys, out_shardings=everywhere)()
        order_key = self._keys.pop("order")

        @lru_cache(maxsize=1)
        def order_of(epoch: int) -> Int[Array, "steps b"]:
            order = epoch_order(
                order_key,
                epoch,
                num_examples=len(train_part.label),
                batch_size=config.train.batch_size,
                shares=shares,
            )
            return jax.device_put(order, everywhere)

        self._order_of = order_of
        start = time.perf_counter()
        self._run_steps = experiment.run_steps.lower(
            progress.state, progress.sums, self._examples, order_of(1), 0, 1, self._keys
        ).compile()
        _log.info("compiled the training step in %.1f s", time.perf_counter() - start)

    def epoch(self, progress: Progress, epoch: int, **kwargs: Any) -> EpochResult:
        """Trains for one epoch, counted from 1; see `run_epoch`."""
        return run_epoch(
            self._run_steps,
            progress,
            self._examples,
            self._order_of(epoch),
            self._keys,
            steps_per_call=self._config.train.steps_per_call,
            loss_name=self._config.train.loss,
            in_words=self._in_words,
            title=f"epoch {epoch}/{self._config.train.num_epochs}",
            **kwargs,
        )

    def one_step(self, progress: Progress, step: int) -> Progress:
        """Takes the one step after `step` steps of the training; the progress is consumed."""
        return self.steps(progress, step, step + 1)

    def steps(self, progress: Progress, first: int, last: int) -> Progress:
        """Takes the steps `first` to `last` - 1 of the training, which lie in one epoch.

        Args:
            progress: consumed.
            first: counted from 0 over all epochs.
            last: the first step not taken.
        """
        order, index = self._place(first)
        end = index + last - first
        return Progress(
            *self._run_steps(
                progress.state, progress.sums, self._examples, order, index, end, self._keys
            )
        )

    def inputs(self, step: int) -> tuple[Batch, Keys]:
        """Returns the batch and the keys of the step after `step` steps."""
        order, index = self._place(step)
        batch = jax.tree.map(lambda array: array[order[index]], self._examples)
        return batch, self._keys

    def _place(self, step: int) -> tuple[Int[Array, "steps b"], int]:
        epochs_done, index = divmod(step, self._steps_per_epoch)
        return self._order_of(epochs_done + 1), index
