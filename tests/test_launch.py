"""Every mode of launch.py as a user starts it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Launch = Callable[..., subprocess.CompletedProcess[str]]


def as_flags(fields: dict[str, Any]) -> list[str]:
    return [f"--config.{name}={value}" for name, value in fields.items()]


@pytest.fixture(scope="module")
def no_tensorflow(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Path]:
    """A `tensorflow` that cannot be imported and writes down who tries: environment, file."""
    folder = tmp_path_factory.mktemp("no-tensorflow")
    (folder / "tensorflow.py").write_text(
        "import traceback; from pathlib import Path\n"
        "with Path(__file__).with_name('tried').open('a') as file:\n"
        "    traceback.print_stack(file=file)\n"
        "raise ImportError('tensorflow was imported')\n"
    )
    return {"PYTHONPATH": str(folder)}, folder / "tried"


def test_training_by_the_command_line_without_tensorflow(
    launch: Launch,
    tiny_flags: Callable[[str], dict[str, Any]],
    finished_run: Path,
    tmp_path: Path,
    no_tensorflow: tuple[dict[str, str], Path],
) -> None:
    environment, tried = no_tensorflow
    workdir, cache = tmp_path / "r", tmp_path / "cache"
    result = launch(
        "--config=configs/cnn.py:smoke",
        f"--workdir={workdir}",
        f"--cache_dir={cache}",
        "--profile",
        *as_flags(tiny_flags("cnn")),
        env=environment,
    )
    assert result.returncode == 0, result.stderr
    assert not tried.exists(), tried.read_text()
    assert "cnn on synthetic_smears/smoke, protocol smoke, seed 0" in result.stdout
    assert f"report: {workdir / 'report.html'}" in result.stdout
    assert "Traceback" not in result.stderr
    left = {path.name for path in finished_run.iterdir()} | {"profile"}
    assert {path.name for path in workdir.iterdir()} == left
    assert "perfetto_trace.json.gz at https://ui.perfetto.dev" in result.stderr
    # The same run as through `train`: flags arrive in the config, and nothing else does.
    assert (workdir / "config.json").read_bytes() == (finished_run / "config.json").read_bytes()
    assert (workdir / "predictions.npz").read_bytes() == (
        finished_run / "predictions.npz"
    ).read_bytes()
    assert (cache / "tfds" / "synthetic_smears" / "smoke").is_dir()
    command = json.loads((workdir / "environment.json").read_text(encoding="utf-8"))["command"]
    assert command.startswith("launch.py --config=configs/cnn.py:smoke --workdir=")


def test_evaluate_gives_the_predictions_of_the_training_process(
    launch: Launch, run_copy: Path, finished_run: Path
) -> None:
    (run_copy / "predictions.npz").unlink()
    result = launch("--mode=evaluate", f"--workdir={run_copy}")
    assert result.returncode == 0, result.stderr
    assert "cnn on synthetic_smears/smoke" in result.stdout
    assert (run_copy / "predictions.npz").read_bytes() == (
        finished_run / "predictions.npz"
    ).read_bytes()


def test_compare_writes_its_page_and_prints_where(
    launch: Launch, run_copy: Path, finished_run: Path, tmp_path: Path
) -> None:
    output = tmp_path / "comparison"
    result = launch("--mode=compare", f"--runs={finished_run},{run_copy}", f"--workdir={output}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith(str(output / "compare.html"))
    assert (output / "compare.html").stat().st_size > 0
    lines = (output / "table1.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3


def counts_of_all(printed: str) -> list[int]:
    """The numbers in the line of all classes together."""
    (line,) = (line for line in printed.splitlines() if line.split()[:1] == ["all"])
    return [int(number.replace(",", "")) for number in line.split()[1:]]


def test_prepare_builds_set_and_arrays_and_prints_the_division(
    launch: Launch, tmp_path: Path
) -> None:
    result = launch(
        "--mode=prepare",
        "--config=configs/cnn.py:smoke",
        f"--cache_dir={tmp_path}",
        "--config.data.image_size=8",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0].startswith("synthetic_smears/smoke 1.0.0: ")
    # Images and smears to train, to validate and to test.
    assert counts_of_all(result.stdout) == [96, 24, 0, 0, 32, 8]
    (train,) = (tmp_path / "arrays").glob("*-train-*.npz")
    with np.load(train) as arrays:
        assert arrays["image"].shape == (96, 8, 8, 1)


def test_prepare_of_the_official_division_counts_every_real_image(
    launch: Launch, real_data: Path
) -> None:
    result = launch(
        "--mode=prepare",
        "--config=configs/cnn.py:official",
        "--config.data.image_size=8",
        "--config.data.first_size=0",
        env={"WBC_DATA_DIR": str(real_data)},
    )
    assert result.returncode == 0, result.stderr
    assert counts_of_all(result.stdout) == [7112, 207, 1915, 54, 2487, 71]  # docs/data.md
    assert "smears in more than one part: 0" in result.stdout
    assert "LEAKY" not in result.stdout


def test_describe_shows_the_network_that_an_override_makes(launch: Launch) -> None:
    result = launch(
        "--mode=describe", "--config=configs/cnn.py", "--config.model.conv_features=(8, 16)"
    )
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if "Conv_" in line]
    assert len(lines) == 2
    assert "50 x 50 x 8" in lines[0]
    assert "25 x 25 x 16" in lines[1]


@pytest.mark.parametrize("flag", ["--help", "--helpfull"])
def test_help_imports_nothing_heavy(flag: str, launch: Launch) -> None:
    result = launch(flag, python=("-X", "importtime"))
    assert "python launch.py --mode=compare --runs=" in result.stdout
    for name in ("--cache_dir", "--run:", "--detector", "--[no]why", "--sweep", "--seeds"):
        assert name in result.stdout
    times = (line for line in result.stderr.splitlines() if line.startswith("import time:"))
    loaded = {line.rpartition("|")[2].strip() for line in times}
    assert "ml_collections" in loaded
    heavy = {"jax", "flax", "numpy", "tensorflow_datasets", "tensorflow", "matplotlib", "sklearn"}
    assert loaded.isdisjoint(heavy)
    assert "Traceback" not in result.stderr
