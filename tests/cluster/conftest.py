"""A SLURM of this machine, where it is installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.process_group import free_port


@pytest.fixture
def slurm(tmp_path: Path, checkout: Any) -> Iterator[dict[str, str]]:
    """A SLURM of this machine; yields what its commands need in their environment."""
    missing = [name for name in ("sbatch", "slurmctld", "munged") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"SLURM is not installed: no {', '.join(missing)} (slurm-wlm, munge)")
    if os.geteuid() != 0:
        pytest.skip("only root can start SLURM's services")
    script = checkout.root / "cluster" / "local_slurm.sh"
    # Not below the tests' own folder, which SLURM's users may not enter.
    folder = Path(f"/tmp/wbc-slurm-{free_port()}")
    ports = {"WBC_SLURM_PORT": str(free_port())}
    started = subprocess.run(
        [script, "start", folder, "2"],
        env=os.environ | ports,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    try:
        assert started.returncode == 0
        yield {"SLURM_CONF": str(folder / "slurm.conf")}
    finally:
        subprocess.run([script, "stop", folder], check=False, timeout=60)
        shutil.rmtree(folder)
