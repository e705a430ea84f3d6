"""Every flag belongs to a mode that reads it."""

import subprocess
from collections.abc import Callable

import pytest
from absl import flags

from wbc_jax.errors import UserError
from wbc_jax.mode_flags import READERS, require_read

_FOR_ALL = {"mode", "data_dir", "cache_dir"}


def test_every_flag_of_the_program_has_its_modes() -> None:
    import launch

    of_launch = {flag.name for flag in flags.FLAGS.get_key_flags_for_module(launch)}
    assert of_launch - READERS.keys() == _FOR_ALL
    assert of_launch >= READERS.keys()
    modes = set(flags.FLAGS["mode"].parser.enum_values)  # type: ignore[attr-defined]
    assert {mode for readers in READERS.values() for mode in readers} == modes


@pytest.mark.parametrize(
    ("mode", "flag", "said"),
    [
        ("evaluate", "config.eval.test_time_flips", "a run is taken with its own config"),
        ("evaluate", "config", "it is for --mode=train, describe, prepare, audit: leave"),
        ("predict", "runs", "one run is --run"),
        (
            "train",
            "why",
            "--mode=train, it is for --mode=predict: leave it out",
        ),
        ("sweep", "seeds", "a sweep's seeds stand in its file"),
    ],
)
def test_a_flag_that_a_mode_does_not_read_is_refused(mode: str, flag: str, said: str) -> None:
    with pytest.raises(UserError) as mistake:
        require_read(mode, ["cache_dir", flag])
    assert said in str(mistake.value)
    assert f"--{flag} has no meaning for --mode={mode}" in str(mistake.value)


def test_what_is_read_passes() -> None:
    require_read("train", ["config", "config.seed", "workdir", "profile", "v", "data_dir"])
    require_read("export", ["run", "workdir", "input_size"])


def test_by_the_command_line(launch: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    flags_given = ("--mode=evaluate", "--workdir=x", "--config=configs/cnn.py:smoke")
    for given in (flags_given, (*flags_given[:2], "--nowhy")):
        result = launch(*given)
        assert result.returncode == 2
        assert "has no meaning for --mode=evaluate" in result.stderr
        assert result.stderr.count("\n") == 1
