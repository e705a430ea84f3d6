"""What `--profile` records, and that it changes nothing else."""

import gzip
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from wbc_jax.datasets.places import Places
from wbc_jax.training.profiling import record_trace, span
from wbc_jax.training.train import train

Launch = Callable[..., subprocess.CompletedProcess[str]]


def read_spans(folder: Path) -> list[dict[str, Any]]:
    """The complete events of the one trace below `folder`, as Perfetto reads them."""
    (path,) = folder.rglob("perfetto_trace.json.gz")
    assert any(path.parent.glob("*.xplane.pb"))  # what TensorBoard reads
    with gzip.open(path, "rt", encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    return [event for event in events if event.get("ph") == "X"]


def test_spans_and_programs_are_in_the_trace(tmp_path: Path) -> None:
    double = jax.jit(lambda x: x * 2)
    with record_trace(tmp_path), span("our own words"):
        double(jnp.arange(8)).block_until_ready()
    names = {event["name"] for event in read_spans(tmp_path)}
    assert "our own words" in names
    assert any("lambda" in name for name in names)


def test_the_recording_ends_in_time(tmp_path: Path) -> None:
    with record_trace(tmp_path, longest_seconds=0.3):
        with span("before"):
            time.sleep(0.05)
        deadline = time.monotonic() + 30
        while not list(tmp_path.rglob("perfetto_trace.json.gz")):
            assert time.monotonic() < deadline, "the recording did not end by itself"
            time.sleep(0.1)
        with span("after"):
            pass
    names = {event["name"] for event in read_spans(tmp_path)}
    assert "before" in names
    assert "after" not in names


def test_a_failure_inside_ends_the_recording(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), record_trace(tmp_path / "first"):
        1 / 0  # noqa: B018
    with record_trace(tmp_path / "second"), span("again"):
        pass
    assert "again" in {event["name"] for event in read_spans(tmp_path / "second")}


@pytest.mark.usefixtures("no_report")
def test_the_second_epoch_is_traced_call_by_call_and_the_results_are_the_same(
    tiny_config: Callable[..., Any], cache_dir: Path, finished_run: Path, tmp_path: Path
) -> None:
    workdir = tmp_path / "r"
    train(tiny_config(), Places(None, cache_dir), workdir=workdir, profile=True)
    for name in ("config.json", "predictions.npz"):
        assert (workdir / name).read_bytes() == (finished_run / name).read_bytes()
    names = [event["name"] for event in read_spans(workdir / "profile")]
    calls = [name.split()[-1].split("-") for name in names if name.startswith("train steps ")]
    # 96 images in batches of 16: one step, which tells how long a step takes, then two per call.
    assert [int(first) for first, _ in calls] == [0, *(int(last) + 1 for _, last in calls[:-1])]
    assert (calls[0], calls[-1][1]) == (["0", "0"], "5")
    for part in ("epoch 2", "test images", "checkpoint", "tensorboard"):
        assert names.count(part) == 1
    assert any("run_steps" in name for name in names), "the compiled call itself"


def test_profiling_anything_else_is_refused(launch: Launch) -> None:
    result = launch("--mode=describe", "--config=configs/cnn.py", "--profile")
    assert result.returncode == 2
    assert result.stderr.startswith("error: --profile has no meaning for --mode=describe")
