"""A sweep as a user starts it: what is missing is run, what fails is recorded."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.html_page import check_page
from tests.sweeps.finished_sweep import make_facts, make_sweep, write_all
from tests.sweeps.sweep_file import write_sweep_file
from wbc_jax.datasets.places import Places
from wbc_jax.file_lock import only_one
from wbc_jax.reporting import sweep_page
from wbc_jax.reporting.figure_files import SavedFigure
from wbc_jax.sweeps import run
from wbc_jax.sweeps.definition import load_sweep
from wbc_jax.sweeps.run import _by_job, _command, _note, run_sweep
from wbc_jax.sweeps.task import Outcome
from wbc_jax.sweeps.trials import make_trials
from wbc_jax.training.interruption import Interrupted

Launch = Callable[..., subprocess.CompletedProcess[str]]


def test_only_what_is_missing_is_run_and_a_failure_stops_nothing(
    launch: Launch,
    tiny_flags: Callable[[str], dict[str, Any]],
    finished_run: Path,
    tmp_path: Path,
) -> None:
    file = write_sweep_file(
        tmp_path / "rates.py",
        tiny_flags("cnn"),
        {
            "done before": {},
            "too large": {"train.batch_size": 1000},
            "less": {"optim.learning_rate": 0.01},
        },
        reference="done before",
        seeds=(0,),
    )
    output = tmp_path / "out"
    shutil.copytree(finished_run, output / "done-before-seed0")
    before = (output / "done-before-seed0" / "results.json").stat().st_mtime_ns
    flags = ("--mode=sweep", f"--sweep={file}", f"--workdir={output}")
    planned = launch(*flags, "--dry_run")
    assert planned.returncode == 0, planned.stderr
    assert "3 runs, 2 to do, about" in planned.stdout
    assert [path.name for path in output.iterdir()] == ["done-before-seed0"]

    result = launch(*flags)
    assert result.returncode == 1, result.stderr
    assert "2 of 3 runs are finished" in result.stdout
    assert (
        "failed: too large, seed 0: train.batch_size=1000 is larger than the training set of"
        in result.stdout
    )
    assert (output / "done-before-seed0" / "results.json").stat().st_mtime_ns == before
    page = check_page((output / "sweep.html").read_text(encoding="utf-8"))
    assert "train.batch_size=1000 is larger" in page.text
    content = json.loads((output / "sweep.json").read_text(encoding="utf-8"))
    states = {trial["setting"]: trial["state"] for trial in content["trials"]}
    assert states == {"done before": "finished", "too large": "failed", "less": "finished"}
    # The run is that of the solo command, whose words it keeps.
    environment = json.loads((output / "less-seed0" / "environment.json").read_text())
    assert environment["command"].startswith("launch.py --config=configs/cnn.py:smoke ")
    assert "--config.optim.learning_rate=0.01" in environment["command"]
    require_hparams(output / "less-seed0")


def require_hparams(run: Path) -> None:
    """TensorBoard reads settings and figures of a sweep's run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(str(run / "tensorboard" / "hparams")).Reload()
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    hparams = HParamsPluginData.FromString(content).session_start_info.hparams
    assert hparams["optim.learning_rate"].number_value == 0.01
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    (accuracy,) = events.Scalars("categorical_accuracy")
    assert accuracy.value == pytest.approx(results["test"]["categorical_accuracy"])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "--mode=sweep needs a sweep: add --sweep=configs/sweeps/"),
        (("--sweep=configs/sweeps/head.py", "--jobs=0"), "--jobs=0 must be at least 1"),
        (("--sweep=configs/sweeps/head.py", "--slurm=a"), "--slurm='a' must read NAME=VALUE"),
        (
            ("--sweep=configs/sweeps/head.py", "--seeds=0,1"),
            "a sweep's seeds stand in its file",
        ),
    ],
)
def test_a_users_mistake_is_one_message(
    flags: tuple[str, ...], said: str, launch: Launch, tmp_path: Path
) -> None:
    result = launch("--mode=sweep", f"--workdir={tmp_path / 'out'}", *flags)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_second_process_is_refused(launch: Launch, tmp_path: Path) -> None:
    with only_one(tmp_path / ".in_use"):
        result = launch(
            "--mode=sweep", "--sweep=configs/sweeps/layers_vgg.py:smoke", f"--workdir={tmp_path}"
        )
    assert result.returncode == 2
    assert f"workdir={tmp_path} is in use by process" in result.stderr


def test_a_job_of_several_seeds_says_of_each_what_failed(tmp_path: Path) -> None:
    file = write_sweep_file(tmp_path / "s.py", {}, {"a": {}}, reference="a", seeds=(0, 1))
    trials = make_trials(load_sweep(str(file)), tmp_path)
    outcome = Outcome(2, "a-seed1: no disk\na-seed0: no data")
    assert _note(trials, outcome) == {
        trials[0].workdir: "no data",
        trials[1].workdir: "no disk",
    }
    assert set(_note(trials, Outcome(-9, "killed by SIGKILL")).values()) == {"killed by SIGKILL"}
    (trials[0].workdir / "results.json").parent.mkdir()
    (trials[0].workdir / "results.json").touch()
    assert _note(trials, Outcome(0, "")) == {
        trials[1].workdir: "the run ended well but left no results.json"
    }
    places = Places(Path("images"), Path("/cache"), False, "skip")
    for at_once, expected in (
        (True, ["--seeds=0,1", f"--workdir={tmp_path / 'a'}"]),
        (False, ["--config.seed=0", f"--workdir={tmp_path / 'a-seed0'}"]),
    ):
        command = _command(trials if at_once else trials[:1], places, at_once=at_once)
        assert command[2:] == [
            "--config=configs/cnn.py:smoke",
            *expected,
            "--cache_dir=/cache",
            "--on_bad_image=skip",
            f"--data_dir={Path('images').absolute()}",
        ]


@pytest.mark.parametrize("seeds_at_once", [True, False])
def test_what_is_in_the_queue_is_not_put_there_again(seeds_at_once: bool, tmp_path: Path) -> None:
    """Whether the start that did so had a job for all seeds of a setting or one for each."""
    settings = {"a": {}, "b": {}, "c": {}}
    file = write_sweep_file(tmp_path / "s.py", {}, settings, reference="a", seeds=(0, 1))
    trials = make_trials(load_sweep(str(file)), tmp_path)
    jobs = _by_job(trials, {"a", "b-seed1"}, seeds_at_once=seeds_at_once)
    runs = {name: [trial.workdir.name for trial in own] for name, own in jobs.items()}
    assert runs == (
        {"b": ["b-seed0"], "c": ["c-seed0", "c-seed1"]}
        if seeds_at_once
        else {name: [name] for name in ("b-seed0", "c-seed0", "c-seed1")}
    )


@pytest.mark.parametrize("leave_out", [1, 21])
def test_a_sweep_that_is_stopped_leaves_the_page_of_what_is_finished(
    leave_out: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trials = write_all(tmp_path, leave_out=leave_out)

    def stop(*_: object) -> None:
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(run, "_plan", lambda *_: (make_sweep(), trials, make_facts(trials)))
    monkeypatch.setattr(run, "_train", stop)
    monkeypatch.setattr(
        sweep_page, "save_figure", lambda *_, alt: SavedFigure(alt=alt, svg=b"<svg/>", png=b"")
    )
    places = Places(None, tmp_path)
    local: Any = {"executor": "local", "options": {}, "num_local": 1, "seeds_at_once": False}
    with pytest.raises(Interrupted):
        run_sweep("x.py", tmp_path / "out", places, **local)
    page = tmp_path / "out" / "sweep.html"
    assert page.is_file() == (leave_out == 1)
    if leave_out == 1:
        assert "1 of 21 runs are not finished" in check_page(page.read_text("utf-8")).text


def test_seeds_by_the_command_line(
    launch: Launch, tiny_flags: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    fields = tiny_flags("cnn")
    result = launch(
        "--config=configs/cnn.py:smoke",
        "--seeds=5,0",
        f"--workdir={tmp_path / 'r'}",
        *(f"--config.{name}={value}" for name, value in fields.items()),
    )
    assert result.returncode == 0, result.stderr
    for seed in (5, 0):
        assert f"protocol smoke, seed {seed}" in result.stdout
        results = json.loads((tmp_path / f"r-seed{seed}" / "results.json").read_text())
        assert results["seed"] == seed
