"""What a user gets wrong: exit code 2, one message that begins with `error:`, no traceback."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from wbc_jax.datasets import catalog
from wbc_jax.errors import UserError
from wbc_jax.reporting.compare import compare

Launch = Callable[..., subprocess.CompletedProcess[str]]
CNN = "--config=configs/cnn.py:smoke"


def require_one_message(result: subprocess.CompletedProcess[str], *parts: str) -> str:
    """Checks the rules of every message and that it contains `parts`; returns it."""
    # The log goes there, too: "I1231 ..." and "W1231 ..." are no part of the message.
    lines = [line for line in result.stderr.splitlines() if not re.match(r"[IW]\d{4} ", line)]
    assert result.returncode == 2, result.stderr
    assert lines[0].startswith("error: "), result.stderr
    assert [line for line in lines if line.startswith("error:")] == lines[:1]
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    message = "\n".join(lines)
    for part in parts:
        assert part in message
    return message


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ("--mode=train needs a configuration", "--config=configs/alexnet.py")),
        (("--mode=describe",), ("--mode=describe needs a configuration",)),
        (("--mode=prepare",), ("--mode=prepare needs a configuration",)),
        (("--mode=evaluate",), ("--mode=evaluate needs the run's directory", "--workdir=")),
        (("--mode=trian",), ("train|evaluate|compare|pool|describe|prepare|audit",)),
        (("--epochs=3",), ("Unknown command line flag 'epochs'",)),
        (("--config=configs/lenet.py",), ("configs/lenet.py", "cnn.py", "recipes/white_cell.py")),
        (("--config=configs/cnn.txt",), ("configs/cnn.txt cannot be read", "configs/cnn.py")),
        (("--config=configs/cnn.py:papre",), ("preset 'papre' is not known", "paper")),
        (
            (CNN, "--config.train.foo=3"),
            ("--config.train.foo=3", "no field 'foo'", "configs/base.py"),
        ),
        (
            (CNN, "--config.train.epochs=3"),
            ("--config.train.epochs=3", "no field 'epochs'", "did you mean 'num_epochs'"),
        ),
        ((CNN, "--config.foo.num_epochs=3"), ("no field 'foo'", "configs/base.py")),
        (("--runs",), ("Missing value for flag --runs",)),
        ((CNN, "--config.train.num_epochs=many"), ("--config.train.num_epochs", "'many'")),
        ((CNN, "--config.train.num_epochs=1.5"), ("num_epochs", "'1.5' is no whole number")),
        ((CNN, "--config.optim.learning_rate=high"), ("learning_rate", "'high' is no number")),
        (
            (CNN, "--config.augment.mirror=perhaps"),
            ("mirror", "'perhaps' is neither True nor False"),
        ),
        ((CNN, "--config.model=vgg19"), ("--config.model", "'vgg19' cannot stand for")),
        (("--config=configs/base.py",), ("the config file has no get_config function",)),
        ((CNN, "train"), ("argument 'train' is not a flag", "--help")),
        ((CNN, "--seeds=0,00"), ("--seeds=0,00 must be different whole numbers",)),
        ((CNN, "--seeds="), ("--seeds= names no seed", "0,1,2")),
        ((CNN, "--seeds=1,2", "--config.seed=7"), ("--seeds and --config.seed both name seeds",)),
        ((CNN, "--seeds=0,1", "--workdir=."), ("--workdir=. with --seeds must end in a name",)),
        (
            ("--config=configs/detector.py:smoke", "--config.task=x", "--mode=describe"),
            ("task='x' does not go with the config's other fields", "'detection'"),
        ),
        ((CNN, "--config.eval.batch_size=0"), ("eval.batch_size=0",)),
        ((CNN, "--config.data.fold=3"), ("data.fold=3 must lie in [0, 1)",)),
        ((CNN, "--workdir=~nobody-of-this-name/r"), ("workdir=~nobody-of-this-name/r: ", "whole")),
    ],
)
def test_a_mistake_on_the_command_line(
    arguments: tuple[str, ...], parts: tuple[str, ...], launch: Launch
) -> None:
    require_one_message(launch(*arguments), *parts)


@pytest.mark.parametrize("content", ["def get_config(:\n", "import no_such_module\n", "x = 1\n"])
def test_a_config_file_that_is_no_config(content: str, launch: Launch, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(content)
    require_one_message(launch(f"--config={path}"))


def test_missing_images_say_where_to_get_and_put_them_and_what_works_without(
    launch: Launch, tmp_path: Path
) -> None:
    result = launch("--config=configs/cnn.py:paper", f"--cache_dir={tmp_path / 'cache'}")
    message = require_one_message(result, "--data_dir", "WBC_DATA_DIR", "github.com/", "--download")
    assert "python launch.py --config=configs/alexnet.py " in message
    version = catalog.get("blood_cells").version
    assert not (tmp_path / "cache" / "tfds" / "blood_cells" / version).exists()


@pytest.mark.parametrize("preset", ["paper", "lisc"])
def test_a_folder_of_other_images_is_refused_by_its_name(
    preset: str, launch: Launch, tmp_path: Path
) -> None:
    photos = tmp_path / "holiday"
    photos.mkdir()
    Image.new("RGB", (8, 8)).save(photos / "beach.jpeg")
    result = launch(
        "--mode=prepare",
        f"--config=configs/cnn.py:{preset}",
        f"--data_dir={photos}",
        f"--cache_dir={tmp_path / 'cache'}",
    )
    require_one_message(result, str(photos), "--data_dir")


def test_a_batch_that_the_devices_cannot_share(launch: Launch, tmp_path: Path) -> None:
    result = launch(
        CNN,
        "--config.train.batch_size=30",
        f"--workdir={tmp_path / 'r'}",
        env={
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        },
    )
    require_one_message(result, "train.batch_size=30 must be divisible by 4 devices; try 32")
    assert not (tmp_path / "r").exists()


def test_a_directory_of_another_config_lists_every_differing_field(
    launch: Launch, finished_run: Path
) -> None:
    result = launch(CNN, "--config.seed=5", f"--workdir={finished_run}")
    require_one_message(result, "seed: there 0, asked for 5", "data.image_size: there 16")


def test_evaluating_what_is_no_run(launch: Launch, tmp_path: Path) -> None:
    result = launch("--mode=evaluate", f"--workdir={tmp_path}")
    require_one_message(result, str(tmp_path), "is not a run directory")


def test_comparing_nothing(launch: Launch, tmp_path: Path) -> None:
    result = launch("--mode=compare", f"--workdir={tmp_path / 'c'}")
    require_one_message(result, "no run is given")
    assert not (tmp_path / "c").exists()


def test_comparing_a_run_that_is_not_there(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        compare([finished_run, tmp_path / "nowhere"], tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    "arguments",
    [("--mode=evaluate", "--workdir={}"), ("--mode=compare", "--runs={}"), (CNN, "--workdir={}")],
)
def test_a_name_that_no_file_can_have(
    arguments: tuple[str, ...], launch: Launch, tmp_path: Path
) -> None:
    name = str(tmp_path / ("x" * 300))
    result = launch(*(argument.format(name) for argument in arguments))
    require_one_message(result, name, "File name too long")


def test_a_cache_that_cannot_be_written(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = launch("--mode=prepare", CNN, env={"WBC_CACHE_DIR": os.fspath(tmp_path / "file")})
    require_one_message(result, "cache_dir", str(tmp_path / "file"), "WBC_CACHE_DIR")


def test_an_empty_variable_is_no_cache_folder(launch: Launch, tmp_path: Path) -> None:
    result = launch("--help", env={"WBC_CACHE_DIR": ""})
    assert "(default: '~/.cache/wbc_jax')" in result.stdout
