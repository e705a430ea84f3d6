"""Times a few steps of several seeds both ways: in one program, and one seed after another.

timing = time_both_ways(config, runs, steps)
timing.together < timing.solo

With weights of each seed's own, a convolution becomes a grouped one: whether that fills a device or
holds it up depends on the device, its libraries and the network, so it is tried.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from wbc_jax.training.open_run import OpenRun
from wbc_jax.training.seed_steps import SeedSteps, stack
from wbc_jax.training.sharding import replicated
from wbc_jax.training.train_step import zero_sums
from wbc_jax.training.trainer import Trainer

_STEPS = 20  # of a round
_ROUNDS = 3  # after one that compiles and warms up


class SeedTiming(NamedTuple):
    """Seconds of one training step of every seed, the least of several rounds.

    Attributes:
        solo: one seed after another.
        together: in one program.
    """

    solo: float
    together: float


def time_both_ways(
    config: ConfigDict,
    runs: Sequence[OpenRun],
    steps: SeedSteps,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> SeedTiming:
    """Takes a few steps on copies of the states, which are then forgotten.

    Args:
        config: of one of the runs.
        runs: of configs that differ in the seed alone. The first stands for all of them where they
            train one after another.
        steps: of all runs in one program.
        clock: in seconds.
    """
    count = min(_STEPS, *steps.num_steps)
    position = runs[0].position.progress
    everywhere = replicated(runs[0].experiment.mesh)
    progress = jax.device_put(jax.device_get(position), everywhere)
    trainer = Trainer(config, runs[0].experiment, progress)
    states = stack([run.position.progress.state for run in runs], steps.sharding)
    sums = stack([zero_sums()] * len(runs), steps.sharding)
    solo, together = [], []
    for _ in range(1 + _ROUNDS):
        start = clock()
        progress = jax.block_until_ready(trainer.steps(progress, first=0, last=count))
        between = clock()
        states, _ = jax.block_until_ready(steps.run(states, sums, epoch=1, first=0, last=count))
        solo.append(between - start)
        together.append(clock() - between)
    return SeedTiming(len(runs) * min(solo[1:]) / count, min(together[1:]) / count)
