"""Jobs on this machine: how they end, how many run at a time, how they are stopped."""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from wbc_jax.errors import UserError
from wbc_jax.sweeps.jobs import Jobs
from wbc_jax.sweeps.task import Outcome, Task, message
from wbc_jax.training.interruption import Interrupted, listening


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "jobs", executor="local", options={}, num_local=2)


def test_jobs_end_as_their_commands_do_and_the_machine_is_not_overrun(
    jobs: Jobs, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    note = f"import time; f = open({str(log)!r}, 'a'); f.write('+'); f.flush(); time.sleep(0.5); "
    fails = "import sys; print('I0101 log', file=sys.stderr); sys.exit('error: no such field')"
    jobs.submit(
        {
            "well": python(note + "f.write('-')"),
            "badly": python(note + "f.write('-'); f.flush();" + fails),
            "killed": python(note + "f.write('-'); f.flush(); import os; os.kill(os.getpid(), 9)"),
            "raises": python(note + "f.write('-'); f.flush(); {}['x']"),
            "silent": python(note + "f.write('-'); f.flush(); import sys; sys.exit(3)"),
        }
    )
    assert jobs.names == {"well", "badly", "killed", "raises", "silent"}
    outcomes = dict(jobs.wait())
    assert jobs.names == set()
    assert outcomes["well"] == Outcome(0, "")
    assert outcomes["badly"] == Outcome(1, "no such field")
    assert outcomes["killed"].exit_code == -9
    assert outcomes["killed"].error == "killed by SIGKILL"
    assert outcomes["raises"].error.endswith("KeyError: 'x'")
    assert outcomes["silent"] == Outcome(3, "ended with exit code 3, without a word")
    running = most = 0
    for letter in log.read_text():
        running += 1 if letter == "+" else -1
        most = max(most, running)
    assert most <= 2


def test_stopping_lets_a_run_save_its_state(jobs: Jobs, tmp_path: Path) -> None:
    started, saved, never = (tmp_path / name for name in ("started", "saved", "never"))
    code = (
        "import pathlib, signal, sys, time\n"
        "def save(*_):\n"
        f"    time.sleep(0.3); pathlib.Path({str(saved)!r}).touch(); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        f"pathlib.Path({str(started)!r}).touch()\n"
        "time.sleep(60)"
    )
    waits = python(f"import pathlib; pathlib.Path({str(never)!r}).touch()")
    jobs = Jobs(tmp_path / "jobs", executor="local", options={}, num_local=1)
    jobs.submit({"runs": python(code), "waits": waits})
    deadline = time.monotonic() + 20
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    jobs.stop()
    assert saved.exists()
    assert not never.exists()
    assert json.loads((tmp_path / "jobs" / "runs.json").read_text())["exit_code"] == 143


def test_a_job_that_is_being_begun_when_a_signal_comes_is_stopped_too(tmp_path: Path) -> None:
    with listening() as interruption:
        jobs = Jobs(
            tmp_path / "jobs", executor="local", options={}, num_local=1, held=interruption.held
        )
        submit = jobs._executor.submit

        def submit_and_signal(task: Task) -> Any:
            job = submit(task)
            signal.raise_signal(signal.SIGTERM)
            return job

        jobs._executor.submit = submit_and_signal
        with pytest.raises(Interrupted):
            jobs.submit({"begun": python("import time; time.sleep(60)")})
        assert jobs.names == {"begun"}
        begun = time.monotonic()
        jobs.stop()
        assert time.monotonic() - begun < 50


def test_a_run_sees_the_devices_that_the_sweep_sees(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    write = "import os; open({!r}, 'w').write(os.environ.get('CUDA_VISIBLE_DEVICES', 'unset'))"
    jobs.submit({"a": python(write.format(str(tmp_path / "a")))})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    jobs.submit({"b": python(write.format(str(tmp_path / "b")))})
    assert {outcome.exit_code for _, outcome in jobs.wait()} == {0}
    assert [(tmp_path / name).read_text() for name in "ab"] == ["3", "unset"]


def test_options_and_slurm_where_they_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="add --executor=slurm"):
        Jobs(tmp_path, executor="local", options={"timeout_min": "3"}, num_local=1)
    monkeypatch.setattr("shutil.which", lambda name, *_: None)
    with pytest.raises(UserError, match="there is no sbatch, srun, squeue"):
        Jobs(tmp_path, executor="slurm", options={}, num_local=1)
    monkeypatch.setattr("shutil.which", lambda name, *_: f"/bin/{name}")
    with pytest.raises(UserError, match=r"--slurm=partitoin=gpu: .*slurm_partition=gpu"):
        Jobs(tmp_path, executor="slurm", options={"partitoin": "gpu"}, num_local=1)


def test_the_message_is_what_launch_says() -> None:
    assert message(["I1126 log\n", "error: a\n", "  b\n"]) == "a\n  b"
    assert message(["Traceback\n", "  File\n", "\n", "    x\n", "KeyError: 1\n"]) == (
        "  File\n    x\nKeyError: 1"
    )
