"""Which libraries a mode of launch.py has loaded by its end, and training by its first step."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Launch = Callable[..., subprocess.CompletedProcess[str]]

COMPUTING = {"jax", "flax", "optax"}
WRITING = {"orbax.checkpoint", "tensorstore", "tensorboardX"}
DRAWING = {"matplotlib", "jinja2"}
SCORING = {"sklearn", "scipy"}
PREPARING = {"tensorflow_datasets", "array_record"}
ALL = COMPUTING | WRITING | DRAWING | SCORING | PREPARING

# Written to the log by `train` just before its first step.
FIRST_STEP = "first step "


def loaded(lines: list[str]) -> set[str]:
    """The modules of `python -X importtime`."""
    return {
        line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")
    } & ALL


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], set()),
        (["--mode=describe", "--config=configs/cnn.py:smoke"], {"jax", "flax"}),
        (["--mode=prepare", "--config=configs/cnn.py:smoke"], set()),  # prepared by the fixture
    ],
)
def test_a_mode_loads_only_what_it_needs(
    arguments: list[str], expected: set[str], launch: Launch, cache_dir: Path
) -> None:
    launch("--mode=prepare", "--config=configs/cnn.py:smoke")  # the arrays, too
    result = launch(*arguments, python=("-X", "importtime"))
    assert result.returncode == 0, result.stderr
    assert loaded(result.stderr.splitlines()) == expected


def test_comparing_loads_what_draws_and_nothing_that_computes(
    launch: Launch, finished_run: Path, tmp_path: Path
) -> None:
    result = launch(
        "--mode=compare",
        f"--runs={finished_run}",
        f"--workdir={tmp_path / 'c'}",
        python=("-X", "importtime"),
    )
    assert result.returncode == 0, result.stderr
    assert loaded(result.stderr.splitlines()) == DRAWING


def test_pooling_loads_what_draws_and_scores_and_nothing_that_computes(
    launch: Launch, finished_run: Path, tmp_path: Path
) -> None:
    flags = ("--mode=pool", f"--runs={finished_run}", f"--workdir={tmp_path / 'p'}")
    result = launch(*flags, python=("-X", "importtime"))
    assert result.returncode == 0, result.stderr
    assert f"{tmp_path / 'p' / 'pooled.html'}" in result.stdout
    assert (tmp_path / "p" / "pooled.html").is_file()
    assert loaded(result.stderr.splitlines()) <= DRAWING | SCORING


def test_the_first_step_waits_for_nothing_that_writes_draws_or_scores(
    launch: Launch, tiny_flags: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    flags = [f"--config.{name}={value}" for name, value in tiny_flags("cnn").items()]
    launch("--mode=prepare", "--config=configs/cnn.py:smoke", *flags)
    result = launch(
        "--config=configs/cnn.py:smoke",
        f"--workdir={tmp_path / 'r'}",
        *flags,
        python=("-X", "importtime"),
    )
    assert result.returncode == 0, result.stderr
    lines = result.stderr.splitlines()
    (first_step,) = (number for number, line in enumerate(lines) if FIRST_STEP in line)
    assert loaded(lines[:first_step]) == COMPUTING
    assert loaded(lines) == ALL - PREPARING
