"""One epoch: calls of many steps each, a progress bar, and the means of its metrics.

progress, metrics, seconds = run_epoch(run_steps, progress, ...)
"""

import math
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
from jaxtyping import Array, Int
from tqdm import tqdm

from wbc_jax.training.finite import NotFinite
from wbc_jax.training.profiling import span
from wbc_jax.training.train_state import Progress
from wbc_jax.training.train_step import Batch, Keys, RunSteps, Sums

_SECONDS_PER_CALL = 1.0


class EpochResult(NamedTuple):
    """What an epoch leaves.

    Attributes:
        progress: after its last step.
        metrics: means over its examples, each taken while the weights were moving, with dropout
            and augmentation on, as Keras reports training metrics.
        seconds: wall time of its steps.
    """

    progress: Progress
    metrics: dict[str, float]
    seconds: float


def run_epoch(
    run_steps: RunSteps,
    progress: Progress,
    examples: Batch,
    order: Int[Array, "steps b"],
    keys: Keys,
    *,
    steps_per_call: int,
    first: int = 0,
    seconds: float = 0.0,
    save_after: Collection[int] = (),
    save: Callable[[int, Progress, float], None] | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    loss_name: str,
    in_words: Mapping[str, str] = MappingProxyType({"categorical_accuracy": "accuracy"}),
    title: str,
) -> EpochResult:
    """Trains on every batch of `order` from `first` on, once.

    Args:
        run_steps: from `make_run_steps`.
        progress: its state is consumed; its sums are those of the epoch's steps before `first`.
        examples: images and labels on the devices.
        order: row i holds the indices of batch i.
        keys: of the run.
        steps_per_call: most steps without Python between them; fewer where they take long, so that
            the bar moves and a signal is obeyed.
        first: steps of the epoch that an earlier start has done.
        seconds: that it took for them.
        save_after: numbers of steps of the epoch after which `save` is called.
        save: takes the steps of the epoch done, the progress and the epoch's seconds so far.
        is_stopped: asked after every call; once it says so, the epoch is left where it is.
        loss_name: which metric the progress bar shows as the loss.
        in_words: metrics in [0, 1] that it shows besides, with their names, where they are summed.
        title: of the progress bar.

    Raises:
        NotFinite: the loss is no longer a finite number; what was done before can be repeated.
    """
    num_steps, batch_size = order.shape
    state, sums = progress.state, progress.sums
    start = time.perf_counter() - seconds
    with tqdm(
        total=num_steps * batch_size,
        initial=first * batch_size,
        desc=title,
        unit=" images",
        disable=None,
    ) as bar:
        previous: tuple[int, int, Sums] | None = None
        limit, waited_until = 1, time.perf_counter()
        while first < num_steps and not is_stopped():
            ends = [first + limit, num_steps, *(step for step in save_after if step > first)]
            last = min(ends)
            with span(f"dispatch train steps {first}-{last - 1}"):
                state, sums = run_steps(state, sums, examples, order, first, last, keys)
            # Read one call late, so that the next one is already on its way to the devices.
            if previous is not None:
                _wait_and_show(bar, *previous, batch_size, loss_name, in_words)
                seconds_per_step = (time.perf_counter() - waited_until) / (
                    previous[1] - previous[0]
                )
                limit = max(1, min(steps_per_call, int(_SECONDS_PER_CALL / seconds_per_step)))
                if jax.process_count() > 1:  # clocks differ, and all have to make the same calls
                    limit = steps_per_call
            waited_until = time.perf_counter()
            previous = first, last, sums
            if save is not None and last in save_after:
                save(last, Progress(state, sums), time.perf_counter() - start)
            first = last
        if previous is not None:
            _wait_and_show(bar, *previous, batch_size, loss_name, in_words)
        jax.block_until_ready(state)
    seconds = time.perf_counter() - start
    means = {name: float(sums[name]) / (num_steps * batch_size) for name in sums}
    return EpochResult(Progress(state, sums), means, seconds)


def _wait_and_show(
    progress: tqdm,
    first: int,
    last: int,
    sums: Sums,
    batch_size: int,
    loss_name: str,
    in_words: Mapping[str, str],
) -> None:
    """Waits for the call that took steps `first` to `last` - 1 and moves the bar.

    The calls before it are done, so the wait is as long as this call: a trace shows it as a span.
    """
    with span(f"train steps {first}-{last - 1}"):
        jax.block_until_ready(sums)
    if not math.isfinite(float(sums[loss_name])):
        raise NotFinite(f"the loss of steps {first + 1} to {last} of the epoch")
    _show(progress, sums, last * batch_size, loss_name, in_words)


def _show(
    progress: tqdm, sums: Sums, num_images: int, loss_name: str, in_words: Mapping[str, str]
) -> None:
    shown = [f"loss {float(sums[loss_name]) / num_images:.4f}"]
    shown += [
        f"{words} {float(sums[name]) / num_images:.1%}"
        for name, words in in_words.items()
        if name in sums
    ]
    progress.set_postfix_str(", ".join(shown))
    progress.update(num_images - progress.n)
