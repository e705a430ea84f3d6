"""Taking turns, counting, medians."""

import pytest

from benchmarks.timing import (
    Spread,
    Task,
    affordable_repeats,
    pairwise_ratios,
    spread,
    time_alternately,
    units_for,
    warm_up,
)


class Clock:
    """Shows what was put on it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_tasks_take_turns_and_their_time_is_per_unit() -> None:
    clock, turns = Clock(), []

    def work(name: str, seconds: float) -> Task:
        def run(count: int) -> None:
            turns.append(name)
            clock.now += seconds * count

        return Task(run, count=4)

    tasks = {"a": work("a", 0.5), "b": work("b", 2.0)}
    samples = time_alternately(tasks, repeats=3, clock=clock)
    assert turns == ["a", "b"] * 3
    assert samples == {"a": [0.5] * 3, "b": [2.0] * 3}


def test_the_first_run_is_not_what_is_timed() -> None:
    clock, durations = Clock(), iter([100.0, 3.0])

    def run(count: int) -> None:
        clock.now += count * next(durations)

    assert warm_up(run, clock=clock) == 3.0


@pytest.mark.parametrize(("seconds", "units"), [(0.1, 3), (0.29, 2), (0.3, 1), (5.0, 1)])
def test_a_sample_is_long_enough(seconds: float, units: int) -> None:
    assert units_for(seconds, 0.3) == units


@pytest.mark.parametrize(("round_seconds", "repeats"), [(1, 7), (12, 5), (50, 3), (0.01, 7)])
def test_slow_tasks_take_fewer_rounds_but_never_fewer_than_three(
    round_seconds: float, repeats: int
) -> None:
    assert affordable_repeats(7, round_seconds, most_seconds=60) == repeats


def test_fewer_rounds_than_three_only_where_asked_for() -> None:
    assert affordable_repeats(2, round_seconds=100, most_seconds=60) == 2


def test_median_and_quartiles() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0, 5.0]) == Spread(2.0, 3.0, 4.0)
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0)


def test_ratios_are_those_within_a_round() -> None:
    # A disturbance that doubles one whole round leaves the ratios as they are.
    ours, theirs = [1.0, 2.0, 1.0], [3.0, 6.0, 3.0]
    assert pairwise_ratios(theirs, ours) == [3.0, 3.0, 3.0]
    with pytest.raises(ValueError, match="argument 2 is longer"):
        pairwise_ratios([1.0], [1.0, 2.0])
