"""A disk that is full, read-only or not ours: a clear error, and nothing saved before is lost."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.test_launch_mistakes import require_one_message
from tests.training.test_resume import STEPS_PER_EPOCH, require_same_run
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.training import open_run
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.disk import disk_errors_named
from wbc_jax.training.tensorboard import TensorBoard
from wbc_jax.training.train import train

NOBODY = 65534


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small tmpfs cannot be mounted here: that needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def leave(disk: Path, kilobytes: int) -> Path:
    """Fills the disk but for so much; returns the file that does it."""
    filler = disk / "filler"
    filler.write_bytes(b"")
    free = shutil.disk_usage(disk).free
    filler.write_bytes(bytes(free - 1024 * kilobytes))
    return filler


# From what a run writes first to what it writes later, in the tiny run: config, event files, the
# first checkpoint and the second.
@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("kilobytes", [0, 24, 100, 1100])
def test_a_full_disk_is_named_and_the_run_goes_on_once_there_is_room(
    kilobytes: int,
    small_disk: Path,
    finished_run: Path,
    tiny_config: Any,
    cache_dir: Path,
) -> None:
    filler = leave(small_disk, kilobytes)
    workdir = small_disk / "r"
    with pytest.raises(UserError, match=r"cannot be written \(.*[Nn]o space left"):
        train(tiny_config(), Places(None, cache_dir), workdir=workdir)
    assert not list(small_disk.rglob(".saving-*"))
    assert not list(small_disk.rglob("*.tmp"))
    filler.unlink()
    train(tiny_config(), Places(None, cache_dir), workdir=workdir)
    require_same_run(workdir, finished_run)
    assert not (workdir / "damaged_checkpoints").exists()


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(("fills_up", "kept"), [("before", 1), ("after", 2)])
def test_a_disk_that_fills_up_later_keeps_the_checkpoints_before(
    fills_up: str,
    kept: int,
    small_disk: Path,
    finished_run: Path,
    tiny_config: Any,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fillers = []
    write = Checkpoints._write

    def write_and_fill_up(self: Checkpoints, step: int, *args: Any) -> None:
        if step == 2 * STEPS_PER_EPOCH and fills_up == "before":
            fillers.append(leave(small_disk, 16))
        write(self, step, *args)
        if step == 2 * STEPS_PER_EPOCH:  # predictions and results are still to come
            fillers.append(leave(small_disk, 0))

    monkeypatch.setattr(Checkpoints, "_write", write_and_fill_up)
    workdir = small_disk / "r"
    with pytest.raises(UserError, match="what was saved before is intact"):
        train(tiny_config(), Places(None, cache_dir), workdir=workdir)
    assert Checkpoints(workdir / "checkpoints").steps() == [
        STEPS_PER_EPOCH * (epoch + 1) for epoch in range(kept)
    ]
    fillers.pop().unlink()
    monkeypatch.undo()
    train(tiny_config(), Places(None, cache_dir), workdir=workdir)
    require_same_run(workdir, finished_run)


def test_a_full_disk_is_one_message_without_tracebacks(
    small_disk: Path, launch: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """The state of the CNN is larger than the disk; the checkpoint is written in a thread."""
    result = launch("--config=configs/cnn.py:smoke", f"--workdir={small_disk / 'r'}")
    message = require_one_message(result, "No space left", "what was saved before is intact")
    assert "\n" not in message


def test_a_disk_that_became_read_only_is_named(
    small_disk: Path, finished_run: Path, tiny_config: Any, cache_dir: Path
) -> None:
    workdir = Path(shutil.copytree(finished_run, small_disk / "r"))
    mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(UserError, match=r"workdir=.* cannot be written \(Read-only file system\)"):
        train(tiny_config(), Places(None, cache_dir), workdir=workdir)


@pytest.fixture
def as_nobody(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Gives up root's right to write everywhere, once called."""
    opened = []
    for folder in (tmp_path, *tmp_path.parents):
        status = folder.stat()
        if status.st_uid == os.geteuid() and status.st_mode & 0o005 != 0o005:
            opened.append((folder, status.st_mode))
            folder.chmod(0o755)
    yield lambda: os.seteuid(NOBODY) if os.geteuid() == 0 else None
    if os.getuid() == 0:
        os.seteuid(0)
    for folder, mode in opened:
        folder.chmod(mode)


def test_a_folder_without_permission_is_named(
    as_nobody: Callable[[], None],
    finished_run: Path,
    tiny_config: Any,
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workdir = Path(shutil.copytree(finished_run, tmp_path / "r"))
    for path in (workdir, *workdir.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    build = open_run.build_experiment

    def build_and_give_up(*args: Any, **kwargs: Any) -> Any:
        experiment = build(*args, **kwargs)
        as_nobody()
        return experiment

    monkeypatch.setattr(open_run, "build_experiment", build_and_give_up)
    with pytest.raises(UserError, match=r"workdir=.* cannot be written \(Permission denied\)"):
        train(tiny_config(), Places(None, cache_dir), workdir=workdir)


def test_event_files_on_a_full_disk_raise_and_do_not_wait_for_ever(small_disk: Path) -> None:
    record = {"epoch": 1, "train": {"loss": 0.5}}
    params = {"w": np.arange(1e5, dtype=np.float32)}
    board = TensorBoard(small_disk / "tensorboard", epochs_done=0)
    board.write_epoch(record, params)
    leave(small_disk, 0)

    def write_on() -> None:
        with board:
            for epoch in range(2, 200):
                board.write_epoch(record | {"epoch": epoch}, params)

    with pytest.raises(OSError, match="No space left"):
        write_on()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_errors_of_the_disk_name_the_file(number: int, tmp_path: Path) -> None:
    error = OSError(number, os.strerror(number), str(tmp_path / "results.json"))
    with (
        pytest.raises(UserError, match=r"results\.json cannot be written"),
        disk_errors_named(tmp_path),
    ):
        raise error


def test_other_errors_keep_their_traceback(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), disk_errors_named(tmp_path):
        (tmp_path / "missing").read_bytes()


def test_a_full_disk_is_named_by_reports_too(
    small_disk: Path, finished_run: Path, launch: Callable[..., Any]
) -> None:
    leave(small_disk, 8)
    result = launch("--mode=compare", f"--runs={finished_run}", f"--workdir={small_disk / 'c'}")
    assert result.returncode == 2, result.stderr
    assert "No space left on device; make room" in result.stderr
    assert "Traceback" not in result.stderr
