"""Commands, turns and ratios of the whole job."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks import whole_job

JOBS = [
    {"name": "ours", "seconds": [10.0, 20.0, 10.0], "test_accuracy": [0.9, 0.9, 0.9]},
    {"name": "torch files", "seconds": [30.0, 60.0, 20.0], "test_accuracy": [0.8, 0.9, 0.7]},
]


def test_the_ratio_is_the_median_over_rounds() -> None:
    assert whole_job.ratio_to_ours(JOBS, JOBS[1]).median == pytest.approx(3.0)
    assert whole_job.ratio_to_ours(JOBS, JOBS[0]).median == 1.0


def test_the_table_shows_it() -> None:
    rows = [line.split() for line in whole_job.job_table(JOBS).splitlines()[3:]]
    assert rows[0] == ["ours", "10.0", "10.0", "to", "15.0", "1.00", "90.0%"]
    assert rows[1] == ["torch", "files", "30.0", "25.0", "to", "45.0", "3.00", "80.0%"]


def test_jobs_take_turns_with_new_folders_and_shared_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[str] = []

    def start(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, str]:
        started.append(next(part for part in command if part.startswith("--workdir=")))
        assert environment["WBC_CACHE_DIR"] == str(tmp_path / "cache")
        workdir = Path(started[-1].removeprefix("--workdir="))
        workdir.mkdir()
        (workdir / "results.json").write_text('{"test": {"categorical_accuracy": 0.5}}')
        return float(len(started)), ""

    monkeypatch.setattr(whole_job, "start", start)
    options = Namespace(data_dir=tmp_path, epochs=5, pairs=2, torch=["files", "in_memory"])
    first_seconds, jobs = whole_job.measure(options, tmp_path)
    assert first_seconds == 1.0
    assert [job["seconds"] for job in jobs] == [[3.0, 6.0], [4.0, 7.0], [5.0, 8.0]]
    assert len(set(started)) == len(started) == 8


def test_both_are_asked_for_the_same() -> None:
    options = Namespace(data_dir=Path("/images"), epochs=3)
    ours = whole_job.our_command(options, Path("/ours"))
    theirs = whole_job.torch_command(options, Path("/theirs"), ["--in_memory"])
    assert (Path(__file__).parents[2] / ours[0]).is_file()
    assert "--config.train.num_epochs=3" in ours
    assert {"--epochs=3", "--in_memory", "--data_dir=/images"} <= set(theirs)
