"""The job files start a run of two processes under the real launchers, where they are installed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.run_differences import read_leaves
from wbc_jax.training.checkpointing import Checkpoints

LONGEST_SECONDS = 300
EPOCHS = 8


@pytest.fixture(scope="module")
def environment(cache_dir: Path, compilation_cache: dict[str, str]) -> dict[str, str]:
    """Two processes, each with one device, share the machine."""
    settings = {"WBC_CACHE_DIR": str(cache_dir), "JAX_NUM_CPU_DEVICES": "1"}
    return os.environ | compilation_cache | settings | {"PYTHON": sys.executable}


@pytest.fixture(scope="module")
def arguments(tiny_flags: Any) -> list[str]:
    fields = tiny_flags("cnn") | {"mesh.num_devices": 0, "train.num_epochs": EPOCHS}
    fields |= {"checkpoint.every_steps": 3}
    return [
        "--config=configs/cnn.py:smoke",
        *(f"--config.{name}={value}" for name, value in fields.items()),
    ]


@pytest.fixture(scope="module")
def undisturbed(
    arguments: list[str],
    environment: dict[str, str],
    checkout: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The same run in one process with two devices: equal bit for bit, see the training's tests."""
    workdir = tmp_path_factory.mktemp("runs") / "alone"
    subprocess.run(
        [sys.executable, "launch.py", *arguments, f"--workdir={workdir}"],
        cwd=checkout.root,
        env=environment | {"JAX_NUM_CPU_DEVICES": "2"},
        check=True,
        capture_output=True,
        timeout=LONGEST_SECONDS,
    )
    return workdir


def wait_until(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "it said nothing"
        time.sleep(0.1)


def trainers(workdir: Path) -> list[int]:
    """The processes that train in `workdir`, first started first."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended meanwhile
        if Path(os.fsdecode(words[0])).name.startswith("python") and (
            f"--workdir={workdir}".encode() in words
        ):
            found.append(int(path.parent.name))
    return sorted(found)


def kill_one(workdir: Path, log: Path) -> None:
    """Kills one of two processes when there is a checkpoint."""
    wait_until(lambda: bool(Checkpoints(workdir / "checkpoints").steps()), log)
    assert not (workdir / "results.json").exists()
    both = trainers(workdir)
    assert len(both) == 2
    os.kill(both[1], signal.SIGKILL)


def require_same(workdir: Path, undisturbed: Path) -> None:
    ours, expected = read_leaves(workdir), read_leaves(undisturbed)
    assert ours.keys() == expected.keys()
    for name, leaf in expected.items():
        assert ours[name].tobytes() == leaf.tobytes(), name
    ours, expected = (np.load(path / "predictions.npz") for path in (workdir, undisturbed))
    assert ours["probabilities"].tobytes() == expected["probabilities"].tobytes()
    content = json.loads((workdir / "environment.json").read_text(encoding="utf-8"))
    assert len(content["devices"]) == 2


def test_open_mpi_starts_again_after_a_process_was_killed(
    arguments: list[str],
    environment: dict[str, str],
    undisturbed: Path,
    checkout: Any,
    tmp_path: Path,
) -> None:
    if shutil.which("mpirun") is None:
        pytest.skip("Open MPI is not installed: no mpirun (openmpi-bin)")
    workdir, log = tmp_path / "r", tmp_path / "log"
    with log.open("w") as file:
        job = subprocess.Popen(
            ["cluster/openmpi.sh", "-n", "2", *arguments, f"--workdir={workdir}"],
            cwd=checkout.root,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        kill_one(workdir, log)
        assert job.wait(LONGEST_SECONDS) == 0, log.read_text()
    finally:
        job.terminate()
    assert "starting again from the last checkpoint" in log.read_text()
    require_same(workdir, undisturbed)


def test_slurm_requeues_a_job_of_which_a_process_was_killed(
    slurm: dict[str, str],
    arguments: list[str],
    environment: dict[str, str],
    undisturbed: Path,
    checkout: Any,
    tmp_path: Path,
) -> None:
    workdir, log = tmp_path / "r", tmp_path / "log"
    inherited = {k: v for k, v in environment.items() if not k.startswith("SLURM_")}
    subprocess.run(
        [
            *("sbatch", "--nodes=1", "--ntasks-per-node=2", f"--output={log}"),
            *("cluster/slurm.sbatch", *arguments, f"--workdir={workdir}"),
        ],
        cwd=checkout.root,
        env=inherited | slurm,
        check=True,
        capture_output=True,
        timeout=60,
    )
    kill_one(workdir, log)
    wait_until(lambda: (workdir / "report.html").exists() and not trainers(workdir), log)
    assert "the job goes back to the queue" in log.read_text()
    require_same(workdir, undisturbed)
