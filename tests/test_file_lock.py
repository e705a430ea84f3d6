"""A lock keeps a second process out while its holder lives, and not a moment longer."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wbc_jax.file_lock import Held, only_one

HOLD = """
import sys
from pathlib import Path
from wbc_jax.file_lock import only_one
with only_one(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / "new" / ".lock"
    with holder(lock) as process:
        with pytest.raises(Held, match=f"process {process.pid} on "), only_one(lock):
            pytest.fail("both hold it")
        process.kill()  # nothing in it can clear up
        process.wait()
        with only_one(lock):
            assert lock.read_text(encoding="utf-8").startswith(f"process {os.getpid()} on ")


def test_a_file_that_a_dead_machine_left_means_nothing(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    lock.write_text("process 1 on elsewhere, before the power went", encoding="utf-8")
    with only_one(lock):
        assert "elsewhere" not in lock.read_text(encoding="utf-8")
    with only_one(lock):
        pass


def test_who_waits_goes_on_when_the_holder_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with holder(tmp_path / ".lock") as process:
        timer = threading.Timer(0.3, process.kill)
        timer.start()
        with only_one(tmp_path / ".lock", waiting="waiting for the other one"):
            assert process.wait() != 0
    assert "waiting for the other one" in caplog.text
