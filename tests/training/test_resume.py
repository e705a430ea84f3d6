"""Interrupted runs, started again; and directories that are not this run's."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.run_differences import read_history, read_leaves, run_differences
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.evaluation.evaluate import evaluate
from wbc_jax.training import trainer as trainer_module
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.interruption import Interrupted
from wbc_jax.training.open_run import open_run
from wbc_jax.training.resume import sums_before_an_epoch
from wbc_jax.training.run_directory import RunDirectory
from wbc_jax.training.train import train

STEPS_PER_EPOCH = 6  # of the tiny run: 96 images in batches of 16


class Interruption(BaseException):
    """Stands for what no `except Exception` catches: a signal, a machine that stops."""


def interrupt_after_the_first_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    save = Checkpoints.save

    def save_and_stop(self: Checkpoints, *args: Any, **kwargs: Any) -> None:
        save(self, *args, **kwargs)
        raise Interruption

    monkeypatch.setattr(Checkpoints, "save", save_and_stop)


def interrupt_before_the_second_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    save = Checkpoints.save

    def stop_or_save(self: Checkpoints, step: int, *args: Any, **kwargs: Any) -> None:
        if step == 2 * STEPS_PER_EPOCH:
            raise Interruption
        save(self, step, *args, **kwargs)

    monkeypatch.setattr(Checkpoints, "save", stop_or_save)


def interrupt_before_the_first_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Checkpoints, *args: Any, **kwargs: Any) -> None:
        raise Interruption

    monkeypatch.setattr(Checkpoints, "save", stop)


def require_same_run(workdir: Path, uninterrupted: Path) -> None:
    """The same bits in everything, and of everything that a state can hold."""
    kinds = {name.split("/")[1] for name in read_leaves(uninterrupted) if name.startswith("state/")}
    assert kinds == {"step", "params", "batch_stats", "opt_state", "average"}
    assert run_differences(workdir, uninterrupted) == []
    epochs = json.loads((workdir / "results.json").read_text(encoding="utf-8"))["epochs"]
    assert epochs[-1]["wall_seconds"] > epochs[0]["wall_seconds"]


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("interrupt", "lines_left", "checkpoints_left"),
    [
        (interrupt_before_the_first_checkpoint, 1, []),
        (interrupt_after_the_first_checkpoint, 1, [STEPS_PER_EPOCH]),
        (interrupt_before_the_second_checkpoint, 2, [STEPS_PER_EPOCH]),
    ],
)
def test_an_interrupted_run_ends_as_if_it_had_not_been(
    interrupt: Callable[[pytest.MonkeyPatch], None],
    lines_left: int,
    checkpoints_left: list[int],
    finished_run: Path,
    tiny_config: Any,
    cache_dir: Path,
    tmp_path: Path,
) -> None:
    workdir = tmp_path / "r"
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch)
        with pytest.raises(Interruption):
            train(tiny_config(), Places(None, cache_dir), workdir=workdir)
    assert len(read_history(workdir)) == lines_left
    assert Checkpoints(workdir / "checkpoints").steps() == checkpoints_left
    assert not (workdir / "results.json").exists()
    train(tiny_config(), Places(None, cache_dir), workdir=workdir)
    require_same_run(workdir, finished_run)


def test_the_seconds_of_an_epoch_that_is_done_are_not_the_next_ones(
    tiny_config: Any, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "wbc_jax.training.tensorboard.TensorBoard.write_epoch",
        lambda *_: signal.raise_signal(signal.SIGTERM),  # after the history, before the checkpoint
    )
    config, places = tiny_config(), Places(None, cache_dir)
    with pytest.raises(Interrupted):
        train(config, places, workdir=tmp_path / "r")
    with open_run(config, places, workdir=tmp_path / "r") as run:
        assert run.position.history[0]["seconds"] > 0
        assert (run.position.first, run.position.seconds) == (0, 0.0)


@pytest.mark.parametrize("change", [{}, {"checkpoint.every_epochs": 2}])
def test_a_signal_between_two_epochs_saves_the_first(
    change: dict[str, int],
    tiny_config: Any,
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def stop(experiment: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:  # before the first epoch, and behind it
            signal.raise_signal(signal.SIGTERM)
        return sums_before_an_epoch(experiment)

    for module in ("loop", "resume"):
        monkeypatch.setattr(f"wbc_jax.training.{module}.sums_before_an_epoch", stop)
    config, places = tiny_config(changes=change), Places(None, cache_dir)
    with pytest.raises(Interrupted):
        train(config, places, workdir=tmp_path / "r")
    assert Checkpoints(tmp_path / "r" / "checkpoints").steps() == [STEPS_PER_EPOCH]


def test_an_epoch_that_a_signal_closed_may_be_the_best(
    tiny_config: Any, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []

    def note(
        self: Checkpoints, step: int, *_: Any, train_loss: float = math.nan, **__: Any
    ) -> None:
        losses.append((step, train_loss))

    monkeypatch.setattr(Checkpoints, "save", note)
    monkeypatch.setattr(
        "wbc_jax.training.tensorboard.TensorBoard.write_epoch",
        lambda *_: signal.raise_signal(signal.SIGTERM),  # after the history, before the checkpoint
    )
    with pytest.raises(Interrupted):
        train(tiny_config(), Places(None, cache_dir), workdir=tmp_path / "r")
    (epoch,) = read_history(tmp_path / "r")
    loss = epoch["train"][tiny_config().train.loss]
    assert losses == [(STEPS_PER_EPOCH, loss)]


@pytest.mark.usefixtures("no_report")
def test_a_killed_process_is_resumed(
    finished_run: Path,
    tiny_config: Any,
    cache_dir: Path,
    compilation_cache: dict[str, str],
    tmp_path: Path,
    checkout: Any,
) -> None:
    """Killed for good as soon as its first checkpoint is there, with its config's own words."""
    workdir = tmp_path / "r"
    script = (
        "import sys, time; from pathlib import Path\n"
        "from wbc_jax.training.checkpointing import Checkpoints\n"
        "from wbc_jax.training.run_directory import RunDirectory\n"
        "from wbc_jax.training.train import train\n"
        "from wbc_jax.datasets.places import Places\n"
        "save = Checkpoints.save\n"
        "def save_and_wait(self, *args, **kwargs):\n"
        "    save(self, *args, **kwargs)\n"
        "    time.sleep(300)\n"
        "Checkpoints.save = save_and_wait\n"
        "like, workdir, cache = map(Path, sys.argv[1:])\n"
        "config = RunDirectory(like).load_config()\n"
        "train(config, Places(None, cache), workdir=workdir)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(finished_run), str(workdir), str(cache_dir)],
        cwd=checkout.root,
        env=os.environ | compilation_cache,
    )
    try:
        deadline = time.monotonic() + 120
        while not (workdir / "checkpoints" / str(STEPS_PER_EPOCH)).is_dir():
            assert process.poll() is None, "the run ended before its first checkpoint"
            assert time.monotonic() < deadline, "no checkpoint within two minutes"
            time.sleep(0.05)
    finally:
        process.kill()
        assert process.wait() in (-signal.SIGKILL, 1)
    train(tiny_config(), Places(None, cache_dir), workdir=workdir)
    require_same_run(workdir, finished_run)


@pytest.mark.usefixtures("no_report", "quick_compilation")
def test_resuming_between_rare_checkpoints_repeats_the_epochs_since_the_last(
    tiny_config: Any, cache_dir: Path, tmp_path: Path
) -> None:
    changes = {"train.num_epochs": 3, "checkpoint.every_epochs": 2, "checkpoint.num_best": 2}
    config = tiny_config(changes=changes)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    train(config, Places(None, cache_dir), workdir=whole)
    # Every second epoch, and the last in any case.
    steps = [2 * STEPS_PER_EPOCH, 3 * STEPS_PER_EPOCH]
    assert Checkpoints(whole / "checkpoints").steps() == steps
    shutil.copytree(whole, resumed)
    shutil.rmtree(resumed / "checkpoints" / str(steps[-1]))
    train(config, Places(None, cache_dir), workdir=resumed)
    assert read_history(resumed) == read_history(whole)
    expected = read_leaves(whole)
    for name, leaf in read_leaves(resumed).items():
        assert leaf.tobytes() == expected[name].tobytes(), name


@pytest.mark.usefixtures("no_report")
def test_a_finished_run_trains_nothing_and_gives_its_results_again(
    run_copy: Path, tiny_config: Any, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_no_more(*args: Any, **kwargs: Any) -> None:
        pytest.fail("a finished run was trained on")

    before = {
        name: (run_copy / name).read_bytes()
        for name in ("results.json", "predictions.npz", "metrics.jsonl", "config.json")
    }
    (run_copy / "results.json").unlink()
    (run_copy / "predictions.npz").unlink()
    monkeypatch.setattr(trainer_module, "run_epoch", train_no_more)
    train(tiny_config(), Places(None, cache_dir), workdir=run_copy)
    assert {name: (run_copy / name).read_bytes() for name in before} == before


def test_a_directory_of_another_config_is_refused_with_every_differing_field(
    run_copy: Path, tiny_config: Any, cache_dir: Path
) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in run_copy.rglob("*"))
    config = tiny_config(
        changes={"seed": 3, "model.dense_features": (8, 8), "augment.mirror": False}
    )
    with pytest.raises(UserError) as raised:
        train(config, Places(None, cache_dir), workdir=run_copy)
    message = str(raised.value)
    assert "  seed: there 0, asked for 3" in message
    assert "  model.dense_features: there [8], asked for [8, 8]" in message
    assert "  augment.mirror: there True, asked for False" in message
    assert message.count("asked for") == 3
    assert sorted((path, path.stat().st_mtime_ns) for path in run_copy.rglob("*")) == before


@pytest.mark.parametrize(
    ("changes", "array"),
    [
        ({"model.dense_features": (9,)}, "state/average/params/Dense_0/bias"),
        ({"optim.name": "sgd"}, "state/opt_state/0/count"),
        ({"train.average_decay": 0.0}, "state/average/batch_stats/BatchNorm_0/mean"),
    ],
)
def test_a_checkpoint_of_another_model_or_optimizer_is_refused_with_the_first_array(
    changes: dict[str, Any],
    array: str,
    finished_run: Path,
    tiny_config: Any,
    cache_dir: Path,
    tmp_path: Path,
) -> None:
    config = tiny_config(changes=changes)
    workdir = tmp_path / "r"
    shutil.copytree(finished_run / "checkpoints", workdir / "checkpoints")
    shutil.copy(finished_run / "metrics.jsonl", workdir)
    (workdir / "config.json").write_text(json.dumps(config.to_dict()), encoding="utf-8")
    with pytest.raises(UserError, match="is of another model or optimizer") as raised:
        train(config, Places(None, cache_dir), workdir=workdir)
    assert f"first {array}" in str(raised.value)


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("damaged", [None, "", "{", '{"epoch": 1}\n'])
def test_the_history_is_brought_back_from_the_checkpoint(
    damaged: str | None, run_copy: Path, finished_run: Path, tiny_config: Any, cache_dir: Path
) -> None:
    path = run_copy / "metrics.jsonl"
    path.unlink()
    if damaged is not None:
        path.write_text(damaged, encoding="utf-8")
    train(tiny_config(), Places(None, cache_dir), workdir=run_copy)
    assert path.read_bytes() == (finished_run / "metrics.jsonl").read_bytes()


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("stop_at", [1, 5, 7])
def test_a_run_is_resumed_in_the_middle_of_an_epoch(
    stop_at: int,
    finished_run: Path,
    tiny_config: Any,
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Saved after every step, interrupted after some; an epoch's means count its every step."""
    config = tiny_config(changes={"checkpoint.every_steps": 1})
    with pytest.MonkeyPatch.context() as patch:
        save = Checkpoints.save

        def save_or_stop(self: Checkpoints, step: int, *args: Any, **kwargs: Any) -> None:
            save(self, step, *args, **kwargs)
            if step == stop_at:
                raise Interruption

        patch.setattr(Checkpoints, "save", save_or_stop)
        with pytest.raises(Interruption):
            train(config, Places(None, cache_dir), workdir=tmp_path / "r")
    assert Checkpoints(tmp_path / "r" / "checkpoints").steps()[-1] == stop_at
    calls: list[tuple[int, int]] = []
    run_epoch = trainer_module.run_epoch

    def record(*args: Any, **kwargs: Any) -> Any:
        calls.append((int(args[1].state.step), kwargs.get("first", 0)))
        return run_epoch(*args, **kwargs)

    monkeypatch.setattr(trainer_module, "run_epoch", record)
    train(config, Places(None, cache_dir), workdir=tmp_path / "r")
    assert calls[0] == (stop_at, stop_at % STEPS_PER_EPOCH)
    require_same_run(tmp_path / "r", finished_run)


@pytest.mark.usefixtures("no_report")
def test_a_damaged_checkpoint_is_set_aside_and_the_run_ends_as_it_would_have(
    run_copy: Path,
    finished_run: Path,
    tiny_config: Any,
    cache_dir: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    last = run_copy / "checkpoints" / str(2 * STEPS_PER_EPOCH)
    (last / "state" / "_METADATA").write_bytes(b"")
    train(tiny_config(), Places(None, cache_dir), workdir=run_copy)
    assert "state/_METADATA is damaged" in caplog.text
    assert (run_copy / "damaged_checkpoints" / f"{2 * STEPS_PER_EPOCH}-1" / "state").is_dir()
    require_same_run(run_copy, finished_run)


def test_a_run_in_use_is_left_alone(run_copy: Path, tiny_config: Any, cache_dir: Path) -> None:
    def content() -> list[tuple[Path, int]]:
        paths = (path for path in run_copy.rglob("*") if path.name != ".lock")
        return sorted((path, path.stat().st_mtime_ns) for path in paths)

    before = content()
    with RunDirectory(run_copy).locked():
        for again in (
            lambda: train(tiny_config(), Places(None, cache_dir), workdir=run_copy),
            lambda: evaluate(run_copy, Places(None, cache_dir)),
        ):
            with pytest.raises(UserError, match="is in use by process"):
                again()
    assert content() == before
