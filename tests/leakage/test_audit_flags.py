"""What --mode=audit refuses before it looks at a file."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wbc_jax.errors import UserError
from wbc_jax.leakage.audit_flags import wanted_parts


def test_names_come_as_they_are_given_and_empty_ones_go() -> None:
    assert wanted_parts("set", ["b", "a", ""], has_config=False) == ["b", "a"]
    assert wanted_parts("set", [], has_config=False) == []
    assert wanted_parts(None, [], has_config=True) == []


@pytest.mark.parametrize(
    ("place", "parts", "has_config", "message"),
    [
        (None, [], False, "needs either --input=FOLDER"),
        ("", [], False, "needs either --input=FOLDER"),
        ("set", [], True, "needs either --input=FOLDER"),
        (None, ["train", "test"], True, "parts=train,test names folders of --input, which is not"),
    ],
)
def test_what_does_not_go_together_is_refused(
    place: str | None, parts: list[str], has_config: bool, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        wanted_parts(place, parts, has_config=has_config)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--config=configs/cnn.py:smoke", "--parts=train,test"), "parts=train,test names folders"),
        (("--input={set}", "--parts=train,"), "parts=train names only one folder"),
    ],
)
def test_the_command_line_says_so(
    flags: tuple[str, ...],
    message: str,
    launch: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.png").touch()
    mistake = launch("--mode=audit", *(flag.format(set=tmp_path) for flag in flags))
    assert mistake.returncode == 2, mistake.stderr
    assert mistake.stderr.startswith(f"error: {message}")
