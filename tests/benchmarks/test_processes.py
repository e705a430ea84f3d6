"""Processes that a benchmark times."""

import os

import pytest

from benchmarks.processes import start
from wbc_jax.errors import UserError


def test_time_and_what_was_printed() -> None:
    code = "import os, time; time.sleep(0.05); print(os.environ['SAY'])"
    seconds, said = start(["-c", code], {**os.environ, "SAY": "hello"})
    assert seconds >= 0.05
    assert said == "hello\n"


def test_a_mistake_of_the_user_is_one_here_too() -> None:
    with pytest.raises(UserError, match=r"'/nowhere' is not a folder"):
        start(["-m", "benchmarks.whole_job", "--data_dir=/nowhere"])


def test_another_error_is_shown_whole() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 1:\nTraceback(.|\n)*ValueError: broken"):
        start(["-c", "raise ValueError('broken')"])
