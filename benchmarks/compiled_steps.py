"""The compiled training steps and what they work on, as `wbc_jax.training.train` has them.

steps = CompiledSteps(run_steps, state, train, mesh, batch_size=32, steps_per_call=10, seed=0)
steps.run(20)                      # as many steps as asked for, in calls of steps_per_call
steps.run_epoch()                  # the product's epoch
steps.run_epoch_in_one_call()      # the same steps with no Python between them
"""

import math
import re
import time

import jax
from jax.sharding import Mesh
from jax.stages import Wrapped
from jaxtyping import Array

from wbc_jax.data.examples import Examples
from wbc_jax.data.input_pipeline import epoch_order, image_and_label
from wbc_jax.data.replication import put_everywhere
from wbc_jax.training.epoch import run_epoch
from wbc_jax.training.rngs import named_key
from wbc_jax.training.sharding import replicated
from wbc_jax.training.train_state import Progress, TrainState
from wbc_jax.training.train_step import zero_sums

_LOSS = "binary_cross_entropy"
# A C function of ours that the program calls; behind its name stands a digest of its source.
_NATIVE_CALL = re.compile(r'custom_call_target="(wbc_\w+?)(?:_[0-9a-f]{12})?"')


class CompiledSteps:
    """Compiles ahead of time, then trains.

    Attributes:
        state: as trained so far.
        steps_per_epoch: full batches among the images.
        compile_seconds: what compiling took.
    """

    def __init__(
        self,
        run_steps: Wrapped,
        state: TrainState,
        train: Examples,
        mesh: Mesh,
        *,
        batch_size: int,
        steps_per_call: int,
        seed: int,
    ) -> None:
        """Puts the images on the devices and compiles.

        Args:
            run_steps: from `make_run_steps`.
            state: to start from; consumed.
            train: images to take batches of.
            mesh: the devices.
            batch_size: images per step over all of them.
            steps_per_call: steps without Python between them.
            seed: of order, dropout and augmentation.
        """
        everywhere = replicated(mesh)
        self._examples = put_everywhere(image_and_label(train), everywhere)
        self._keys = jax.device_put(
            {name: named_key(seed, name) for name in ("dropout", "augment")}, everywhere
        )
        order = epoch_order(
            named_key(seed, "order"), 1, num_examples=len(train.label), batch_size=batch_size
        )
        self._order: Array = jax.device_put(order, everywhere)
        self._sums = jax.device_put(zero_sums(), everywhere)
        self.steps_per_epoch = order.shape[0]
        self._steps_per_call = steps_per_call
        self._next = 0
        start = time.perf_counter()
        self._run_steps = run_steps.lower(
            state, self._sums, self._examples, self._order, 0, 1, self._keys
        ).compile()
        self.compile_seconds = time.perf_counter() - start
        self.state = state

    def run(self, num_steps: int) -> None:
        """Trains for so many steps, in calls as long as a run's, and waits for the last."""
        while num_steps:
            first = self._next % self.steps_per_epoch
            last = min(first + min(self._steps_per_call, num_steps), self.steps_per_epoch)
            self._call(first, last)
            num_steps -= last - first
            self._next = last
        jax.block_until_ready(self.state)

    def run_epoch(self) -> float:
        """Trains for one epoch as a run does; returns its seconds as a run reports them."""
        result = run_epoch(
            self._run_steps,
            Progress(self.state, jax.device_put(zero_sums(), self._order.sharding)),
            self._examples,
            self._order,
            self._keys,
            steps_per_call=self._steps_per_call,
            loss_name=_LOSS,
            title="epoch",
        )
        self.state = result.progress.state
        return result.seconds

    def run_epoch_in_one_call(self) -> None:
        """Trains for one epoch in a single call and waits for it."""
        self._call(0, self.steps_per_epoch)
        jax.block_until_ready(self.state)

    def require_finite(self) -> None:
        """Raises RuntimeError where the training has left the numbers: its time means nothing."""
        if not math.isfinite(float(self._sums[_LOSS])):
            raise RuntimeError("our loss is no longer finite; its time means nothing")

    def native_kernels(self) -> list[str]:
        """Returns the C functions of ours that the program calls; none where XLA does it all."""
        return sorted(set(_NATIVE_CALL.findall(self._run_steps.as_text() or "")))

    def _call(self, first: int, last: int) -> None:
        self.state, self._sums = self._run_steps(
            self.state, self._sums, self._examples, self._order, first, last, self._keys
        )
