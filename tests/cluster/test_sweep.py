"""A sweep's runs as jobs of a real SLURM, where it is installed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.sweeps.sweep_file import write_sweep_file

LONGEST_SECONDS = 200


def test_slurm_runs_a_sweep_and_a_second_start_waits_for_its_jobs(
    slurm: dict[str, str],
    cache_dir: Path,
    compilation_cache: dict[str, str],
    tiny_flags: Callable[[str], dict[str, Any]],
    checkout: Any,
    tmp_path: Path,
) -> None:
    file = write_sweep_file(
        tmp_path / "rates.py",
        tiny_flags("cnn"),
        {"good": {}, "too high": {"optim.learning_rate": 1e30}},
        reference="good",
        seeds=(0,),
    )
    output, log = tmp_path / "sweep", tmp_path / "log"
    command = [
        *(sys.executable, "launch.py", "--mode=sweep", f"--sweep={file}", f"--workdir={output}"),
        *("--executor=slurm", "--slurm=timeout_min=10,cpus_per_task=1"),
        f"--cache_dir={cache_dir}",
    ]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "WBC_"))}
    settings: Any = {"cwd": checkout.root, "env": inherited | compilation_cache | slurm}
    with log.open("w") as said:
        first = subprocess.Popen(command, stderr=said, **settings)
    deadline = time.monotonic() + LONGEST_SECONDS
    while not (output / "jobs" / ".submitted.json").exists():
        assert first.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    first.wait()
    assert not (output / "good-seed0" / "results.json").exists()
    second = subprocess.run(
        command, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False, **settings
    )
    assert second.returncode == 1, second.stderr
    assert "1 of 2 runs are finished" in second.stdout
    assert "failed: too high, seed 0: the loss is no longer a finite number" in second.stdout
    assert len(list((output / "jobs").glob("*_submission.sh"))) == 1  # no job twice
    content = json.loads((output / "sweep.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in content["settings"]] == ["good"]
