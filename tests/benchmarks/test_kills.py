"""Trainings killed at random moments of every phase end with the bits of one that was not."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.kill_phases import NAMES
from benchmarks.kills import Outcome, kill_and_resume, table

NUM_KILLS = 7


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(
    tiny_config: Any, cache_dir: Path, compilation_cache: dict[str, str], tmp_path: Path
) -> None:
    changes = {"checkpoint.every_steps": 2, "train.num_epochs": 3, "train.steps_per_call": 1}
    outcome = kill_and_resume(
        tiny_config(changes=changes),
        folder=tmp_path,
        cache_dir=cache_dir,
        compiled=Path(compilation_cache["JAX_COMPILATION_CACHE_DIR"]),
        num_kills=NUM_KILLS,
        seed=0,
    )
    assert outcome.num_kills == NUM_KILLS
    assert outcome.differences == []
    # A moment between two phases counts for none, and one may be past before it is met.
    assert {name for name, count in outcome.kills.items() if count} >= set(NAMES) - {"evaluation"}
    assert sum(outcome.kills.values()) >= NUM_KILLS * 0.7


@pytest.mark.parametrize(
    ("differences", "row"),
    [([], "2 of 2"), (["run 2: a", "run 2: b"], "1 of 2")],
)
def test_the_table_counts_runs_and_not_differences(differences: list[str], row: str) -> None:
    kills = dict(zip(NAMES, (5, 4, 3, 2, 1), strict=True))
    text = table(Outcome(kills, 12, 2, differences))
    assert "| save | 2 |" in text
    assert "| all | 12 |" in text
    assert row in text
