"""What environment.json says a run was made with."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import pytest

from wbc_jax.training import environment
from wbc_jax.training.environment import describe_environment


def test_versions_devices_and_command_are_those_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["/some/where/launch.py", "--config=a b.py", "--seed=1"])
    described = describe_environment()
    assert described["command"] == "launch.py '--config=a b.py' --seed=1"
    for package in ("jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint"):
        assert described[package] == version(package)
    assert len(described["devices"]) == jax.device_count()
    assert described["devices"][0].startswith(jax.devices()[0].platform)
    assert described["cpu_cores"] >= 1
    assert described["processor"]
    assert json.loads(json.dumps(described)) == described


def test_the_commit_is_that_of_the_checkout(checkout: Any) -> None:
    head = subprocess.run(
        ["git", "-C", str(checkout.root), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    if head.returncode != 0:
        pytest.skip("the tests do not run in a git checkout")
    commit = describe_environment()["git_commit"].removesuffix("-dirty")
    # A tag, where there is one, comes first: TAG-DISTANCE-gCOMMIT.
    assert head.stdout.startswith(commit.rpartition("-g")[2]) or "-g" not in commit


def test_a_checkout_around_an_installed_package_is_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a virtual environment within another project."""
    package = tmp_path / ".venv" / "wbc_jax"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (tmp_path / "theirs").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "theirs"], ["commit", "-qm", "theirs"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(environment.wbc_jax, "__file__", str(package / "__init__.py"))
    assert describe_environment()["git_commit"] == "unknown (no git checkout)"


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_git(*args: Any, **kwargs: Any) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(environment.subprocess, "run", no_git)
    assert describe_environment()["git_commit"].startswith("unknown")


def test_without_the_processors_file_something_is_still_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_file(self: Path, *args: Any, **kwargs: Any) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", no_file)
    assert describe_environment()["processor"]


def test_a_run_records_it(finished_run: Path) -> None:
    written = json.loads((finished_run / "environment.json").read_text(encoding="utf-8"))
    assert written["jax"] == jax.__version__
    assert written.keys() == describe_environment().keys()
