"""Wall time of several contestants, in turn, so that what disturbs one disturbs all.

tasks = {"ours": Task(run_ours, count=20), "torch": Task(run_torch, count=20)}
samples = time_alternately(tasks, repeats=7)                  # A B A B ..., seconds per unit
spread(pairwise_ratios(samples["torch"], samples["ours"])).median
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Run = Callable[[int], None]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Task:
    """Work that is timed.

    Attributes:
        run: does so many units of it, one after the other, and returns when all are done.
        count: units in one sample.
    """

    run: Run
    count: int


class Spread(NamedTuple):
    """The middle half of some samples."""

    lower: float
    median: float
    upper: float


def time_alternately(
    tasks: Mapping[str, Task], *, repeats: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Takes one sample of each task in turn, `repeats` times.

    Args:
        tasks: in the order in which they take turns; all have run before.
        repeats: samples of each.
        clock: in seconds.

    Returns:
        Seconds per unit of each sample, in the order they were taken.
    """
    samples: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            start = clock()
            task.run(task.count)
            samples[name].append((clock() - start) / task.count)
    return samples


def warm_up(run: Run, *, clock: Clock = time.perf_counter) -> float:
    """Runs once for whatever is only done once, then returns the seconds of one more unit."""
    run(1)
    start = clock()
    run(1)
    return clock() - start


def units_for(seconds_per_unit: float, least_seconds: float) -> int:
    """Returns how many units take at least so long."""
    return max(1, math.ceil(least_seconds / seconds_per_unit))


def affordable_repeats(wanted: int, round_seconds: float, most_seconds: float) -> int:
    """Returns how many rounds to time: as wanted, or at least 3 where they would take too long.

    Args:
        wanted: number asked for.
        round_seconds: of one sample of each task.
        most_seconds: of all rounds together.
    """
    return min(wanted, max(3, int(most_seconds / round_seconds)))


def spread(values: Sequence[float]) -> Spread:
    """Returns median and quartiles, interpolated between samples; at least one value is needed."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    return Spread(*statistics.quantiles(values, n=4, method="inclusive"))


def pairwise_ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Returns the ratio within each round, whose samples were taken one right after the other."""
    return [above / below for above, below in zip(numerators, denominators, strict=True)]
