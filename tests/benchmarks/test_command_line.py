"""Every benchmark as a user starts it, rightly and wrongly."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.command_line import add_outputs, at_least, create_parser, numbers, some_of

MODULES = (
    "train_step",
    "scaling",
    "scaling_point",
    "whole_job",
    "epoch_overhead",
)


def start(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", MODULES)
def test_help(module: str) -> None:
    result = start(module, "--help")
    assert result.returncode == 0, result.stderr
    assert f"usage: python -m benchmarks.{module}" in result.stdout


def test_help_of_the_script() -> None:
    pytest.importorskip("torch", reason="PyTorch (extra `bench`) is not installed")
    assert "--in_memory" in start("torch_script", "--help").stdout


@pytest.mark.parametrize(
    ("module", "argument", "said"),
    [
        ("train_step", "--models=cnn,lenet", "'lenet' is not known; choose from cnn,alexnet"),
        ("train_step", "--batch_sizes=32,0", "'0' must be a whole number of at least 1"),
        ("scaling", "--fast", "unrecognized arguments: --fast"),
        ("whole_job", "--data_dir=/nowhere", "'/nowhere' is not a folder"),
        ("epoch_overhead", "--preset=mine", "invalid choice: 'mine'"),
    ],
)
def test_a_mistake_is_one_line(module: str, argument: str, said: str) -> None:
    result = start(module, argument)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")


def test_missing_images_are_a_mistake_too(tmp_path: Path) -> None:
    result = start("epoch_overhead", f"--data_dir={tmp_path}", f"--cache_dir={tmp_path / 'cache'}")
    assert result.returncode == 2
    assert "error: blood_cells: the images are not here." in result.stderr
    assert "Traceback" not in result.stderr


def test_lists_are_read() -> None:
    assert numbers("8,32") == [8, 32]
    assert some_of(("a", "b"))("b,a,b") == ["b", "a"]
    assert at_least(0)("0") == 0


def test_a_file_that_cannot_be_written_is_named_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = create_parser("scaling", "")
    add_outputs(parser, plot=True)
    (tmp_path / "file").touch()
    for argument in (
        f"--json={tmp_path / 'file' / 'a.json'}",
        f"--json={tmp_path}",
        f"--plot={tmp_path / 'a.pdf'}",
    ):
        with pytest.raises(SystemExit, match="2"):
            parser.parse_args([argument])
        assert capsys.readouterr().err.count("\n") == 1
    options = parser.parse_args([f"--json={tmp_path / 'new' / 'a.json'}"])
    assert options.json.parent.is_dir()
