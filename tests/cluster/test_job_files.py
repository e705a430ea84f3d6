"""The job files are well-formed, and ask for what makes a lost process harmless."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

SCRIPTS = ("slurm.sbatch", "openmpi.sh", "tpu_vm.sh", "local_slurm.sh")


@pytest.fixture(scope="module")
def folder(checkout: Any) -> Path:
    return Path(checkout.root / "cluster")


@pytest.fixture(scope="module")
def kubernetes(folder: Path) -> dict[str, dict[str, Any]]:
    """The objects of kubernetes.yaml by kind."""
    text = (folder / "kubernetes.yaml").read_text(encoding="utf-8")
    return {content["kind"]: content for content in yaml.safe_load_all(text)}


def test_every_file_is_tested(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {*SCRIPTS, "kubernetes.yaml", "README.md"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_bash(name: str, folder: Path) -> None:
    result = subprocess.run(["bash", "-n", folder / name], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_passes_shellcheck(name: str, folder: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    result = subprocess.run(["shellcheck", folder / name], capture_output=True, check=False)
    assert (result.returncode, result.stdout.decode()) == (0, "")


def test_kubernetes_knows_every_field(kubernetes: dict[str, dict[str, Any]]) -> None:
    schemas = pytest.importorskip("kubernetes_validate")
    for content in kubernetes.values():
        schemas.validate(content, schemas.latest_version(), strict=True)
    kubernetes["Job"]["spec"]["completionmode"] = kubernetes["Job"]["spec"]["completionMode"]
    with pytest.raises(schemas.ValidationError, match="completionmode"):
        schemas.validate(kubernetes["Job"], schemas.latest_version(), strict=True)
    del kubernetes["Job"]["spec"]["completionmode"]


def test_the_pods_meet_at_the_first_one(kubernetes: dict[str, dict[str, Any]]) -> None:
    job, service = kubernetes["Job"], kubernetes["Service"]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name, domain = job["metadata"]["name"], service["metadata"]["name"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert pod["subdomain"] == domain
    assert service["spec"]["selector"] == {"job-name": name}
    assert service["spec"]["clusterIP"] == "None"
    port = service["spec"]["ports"][0]["port"]
    assert f"--coordinator={name}-0.{domain}:{port}" in container["command"]
    assert job["spec"]["completions"] == job["spec"]["parallelism"]
    assert f"--num_processes={job['spec']['parallelism']}" in container["command"]
    assert "--process_id=$(JOB_COMPLETION_INDEX)" in container["command"]


def test_a_lost_pod_is_started_again(kubernetes: dict[str, dict[str, Any]]) -> None:
    spec = kubernetes["Job"]["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert spec["backoffLimit"] > 0


def test_the_command_for_a_tpu_slice(folder: Path) -> None:
    result = subprocess.run(
        [folder / "tpu_vm.sh", "pod", "zone-a", "--config=a b.py", "--workdir=r"],
        env=os.environ | {"WBC_DRY_RUN": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == [
        *("gcloud", "compute", "tpus", "tpu-vm", "ssh", "pod", "--zone=zone-a", "--worker=all"),
        "--command=cd wbc_jax && python -u launch.py --coordinator=auto --config=a\\ b.py "
        "--workdir=r",
    ]


def start_open_mpi(folder: Path, bin_: Path, mpirun: str) -> subprocess.Popen[str]:
    """Starts openmpi.sh with a script in place of mpirun."""
    bin_.mkdir()
    (bin_ / "mpirun").write_text(f"#!/usr/bin/env bash\n{mpirun}\n", encoding="utf-8")
    (bin_ / "mpirun").chmod(0o755)
    return subprocess.Popen(
        ["bash", folder / "openmpi.sh", "-n", "2", "--config=configs/cnn.py"],
        env=os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}", "WBC_DATA_DIR": "/images"},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_open_mpi_is_told_to_save_before_its_script_ends(folder: Path, tmp_path: Path) -> None:
    process = start_open_mpi(
        folder,
        tmp_path / "bin",
        f"trap 'sleep 0.3; touch {tmp_path}/saved; exit 143' TERM\n"
        f'echo "$@" > {tmp_path}/words; touch {tmp_path}/started\n'
        "while :; do sleep 0.05; done",
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.terminate()
    assert process.wait(30) == 143
    assert (tmp_path / "saved").exists()
    assert "-x WBC_DATA_DIR" in (tmp_path / "words").read_text()


@pytest.mark.parametrize("code", [2, 127])
def test_a_mistake_is_not_started_again(code: int, folder: Path, tmp_path: Path) -> None:
    process = start_open_mpi(folder, tmp_path / "bin", f"exit {code}")
    assert process.wait(4) == code  # a new start waits for five seconds
