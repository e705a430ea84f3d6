"""One epoch: calls of many steps each, a progress bar, and the means of its metrics.

state, metrics, seconds = run_epoch(run_steps, state, ...)
"""

import time
from typing import NamedTuple

import jax
from jaxtyping import Array, Int
from tqdm import tqdm

from wbc_jax.evaluation.metrics import METRICS
from wbc_jax.training.profiling import span
from wbc_jax.training.train_state import TrainState
from wbc_jax.training.train_step import Batch, Keys, RunSteps, Sums, zero_sums


class EpochResult(NamedTuple):
    """What an epoch leaves.

    Attributes:
        state: after its last step.
        metrics: means over its examples, each taken while the weights were moving, with dropout
            and augmentation on, as Keras reports training metrics.
        seconds: wall time of its steps.
    """

    state: TrainState
    metrics: dict[str, float]
    seconds: float


def run_epoch(
    run_steps: RunSteps,
    state: TrainState,
    examples: Batch,
    order: Int[Array, "steps b"],
    keys: Keys,
    *,
    steps_per_call: int,
    loss_name: str,
    title: str,
) -> EpochResult:
    """Trains on every batch of `order` once.

    Args:
        run_steps: from `make_run_steps`.
        state: consumed.
        examples: images and labels on the devices.
        order: row i holds the indices of batch i.
        keys: of the run.
        steps_per_call: steps without Python between them.
        loss_name: which metric the progress bar shows as the loss.
        title: of the progress bar.
    """
    num_steps, batch_size = order.shape
    sums = jax.device_put(zero_sums(), order.sharding)
    start = time.perf_counter()
    with tqdm(total=num_steps * batch_size, desc=title, unit=" images", disable=None) as progress:
        previous: tuple[int, int, Sums] | None = None
        for first in range(0, num_steps, steps_per_call):
            last = min(first + steps_per_call, num_steps)
            with span(f"dispatch train steps {first}-{last - 1}"):
                state, sums = run_steps(state, sums, examples, order, first, last, keys)
            # Read one call late, so that the next one is already on its way to the devices.
            if previous is not None:
                _wait_and_show(progress, *previous, batch_size, loss_name)
            previous = first, last, sums
        if previous is not None:
            _wait_and_show(progress, *previous, batch_size, loss_name)
        jax.block_until_ready(state)
    seconds = time.perf_counter() - start
    means = {name: float(sums[name]) / (num_steps * batch_size) for name in METRICS}
    return EpochResult(state, means, seconds)


def _wait_and_show(
    progress: tqdm, first: int, last: int, sums: Sums, batch_size: int, loss_name: str
) -> None:
    """Waits for the call that took steps `first` to `last` - 1 and moves the bar.

    The calls before it are done, so the wait is as long as this call: a trace shows it as a span.
    """
    with span(f"train steps {first}-{last - 1}"):
        jax.block_until_ready(sums)
    _show(progress, sums, last * batch_size, loss_name)


def _show(progress: tqdm, sums: Sums, num_images: int, loss_name: str) -> None:
    progress.set_postfix_str(
        f"loss {float(sums[loss_name]) / num_images:.4f}, "
        f"accuracy {float(sums['categorical_accuracy']) / num_images:.1%}"
    )
    progress.update(num_images - progress.n)
