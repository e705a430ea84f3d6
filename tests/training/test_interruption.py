"""A signal ends the process after the step that is going on, with the state saved."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_resume import STEPS_PER_EPOCH, require_same_run
from wbc_jax.datasets.places import Places
from wbc_jax.training import classification, open_run
from wbc_jax.training import epoch as epoch_module
from wbc_jax.training import train as train_module
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.finite import NotFinite
from wbc_jax.training.interruption import SIGNALS, Interrupted, Interruption, listening
from wbc_jax.training.tensorboard import TensorBoard
from wbc_jax.training.train import train


def after(calls: int, function: Callable[..., Any], number: signal.Signals) -> Callable[..., Any]:
    """What does as `function` and sends the signal at one of its calls."""
    left = [calls]

    def send(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(number)
        return function(*args, **kwargs)

    return send


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("place", "name", "calls", "saved"),
    [
        (open_run, "build_experiment", 1, []),
        (train_module, "make_predict_parts", 1, []),
        (epoch_module, "_wait_and_show", 1, range(1, STEPS_PER_EPOCH)),
        (epoch_module, "_wait_and_show", 6, range(STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH)),
        (classification, "mean_metrics", 1, [STEPS_PER_EPOCH]),
        (classification, "mean_metrics", 2, [2 * STEPS_PER_EPOCH]),
        (TensorBoard, "write_epoch", 1, [STEPS_PER_EPOCH]),
        (Checkpoints, "save", 1, [STEPS_PER_EPOCH]),
    ],
)
def test_a_run_that_a_signal_ended_goes_on_exactly_there(
    place: Any,
    name: str,
    calls: int,
    saved: Collection[int],
    finished_run: Path,
    tiny_config: Any,
    cache_dir: Path,
    tmp_path: Path,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, after(calls, getattr(place, name), signal.SIGTERM))
        with pytest.raises(Interrupted) as raised:
            train(tiny_config(), Places(None, cache_dir), workdir=tmp_path / "r")
    assert raised.value.exit_code == 143
    steps = Checkpoints(tmp_path / "r" / "checkpoints").steps()
    assert steps[-1] in saved if saved else not steps
    train(tiny_config(), Places(None, cache_dir), workdir=tmp_path / "r")
    require_same_run(tmp_path / "r", finished_run)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_for_the_end_of_a_block_that_holds_it(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    reached = []
    with pytest.raises(Interrupted, match=number.name), listening() as interruption:  # noqa: PT012
        with interruption.held():
            signal.raise_signal(number)
            assert interruption.signal is number
            signal.raise_signal(number)
            reached.append("end of the block")
        reached.append("after it")
    assert reached == ["end of the block"]
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_second_signal_does_not_cut_off_what_the_first_began() -> None:
    saved = []

    def save_and_raise(interruption: Interruption) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except Interrupted:
            signal.raise_signal(signal.SIGTERM)
            saved.append(interruption.signal)
            raise

    with pytest.raises(Interrupted, match="SIGINT"), listening() as interruption:
        save_and_raise(interruption)
    assert saved == [signal.SIGINT]


def test_of_several_processes_a_late_signal_is_not_forgotten() -> None:
    """All are asked once more when they stop asking each other."""
    interruption = Interruption()
    interruption.agree_by(lambda number: number)
    interruption._notice(signal.SIGTERM, None)
    with pytest.raises(Interrupted, match="SIGTERM"):
        interruption.agree_by(None)
    interruption = Interruption()
    interruption.agree_by(lambda number: signal.SIGINT)  # of another process
    with pytest.raises(Interrupted, match="SIGINT"):
        interruption.agree_by(None)
    interruption = Interruption()

    def agree(number: int) -> int:
        interruption._notice(signal.SIGTERM, None)  # after it has been said that there is none
        return number

    interruption.agree_by(agree)
    with pytest.raises(Interrupted, match="SIGTERM"):
        interruption.agree_by(None)
    interruption = Interruption()
    interruption.agree_by(lambda number: number)
    interruption.agree_by(None)
    assert interruption.signal is None


@pytest.mark.usefixtures("no_report", "quick_compilation")
def test_a_signal_counts_where_the_state_cannot_be_saved(
    tiny_config: Any,
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def not_finite(*_: Any, **__: Any) -> None:
        raise NotFinite("a value in the state after step 1")

    monkeypatch.setattr(Checkpoints, "save", not_finite)
    monkeypatch.setattr(
        epoch_module, "_wait_and_show", after(1, epoch_module._wait_and_show, signal.SIGTERM)
    )
    with pytest.raises(Interrupted, match="SIGTERM"):
        train(tiny_config(), Places(None, cache_dir), workdir=tmp_path / "r")
    assert "the state is not saved again: a value in the state after step 1" in caplog.text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_command_line_says_how_to_go_on(
    number: signal.Signals,
    code: int,
    tiny_flags: Any,
    cache_dir: Path,
    compilation_cache: dict[str, str],
    tmp_path: Path,
    checkout: Any,
) -> None:
    fields = tiny_flags("cnn") | {"train.num_epochs": 2000, "checkpoint.every_steps": 7}
    process = subprocess.Popen(
        [
            *(sys.executable, "launch.py", "--config=configs/cnn.py:smoke"),
            *(f"--config.{name}={value}" for name, value in fields.items()),
            *(f"--workdir={tmp_path / 'r'}", f"--cache_dir={cache_dir}"),
        ],
        cwd=checkout.root,
        env=os.environ | compilation_cache,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not Checkpoints(tmp_path / "r" / "checkpoints").steps():
            assert process.poll() is None, "the run ended before its first checkpoint"
            assert time.monotonic() < deadline, "no checkpoint within two minutes"
            time.sleep(0.05)
        process.send_signal(number)
        said = process.communicate(timeout=10)[1]
    finally:
        process.kill()
    assert process.returncode == code
    assert said.splitlines()[-1] == (
        f"stopped by {number.name}; the state is saved: the same command goes on from there"
    )
    assert "Traceback" not in said
