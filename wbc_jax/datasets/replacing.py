"""A prepared set built in place of another, which is kept until the new one is whole.

with in_place_of(path):
    ...                              # builds; where that fails, what was there is there again
bring_back(path, is_whole)           # where the process was killed meanwhile
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def in_place_of(path: Path) -> Iterator[None]:
    """Moves what is at `path` aside for the block, and brings it back where that fails.

    The images it was made from may be gone.
    """
    aside = _aside(path)
    for leftover in path.parent.glob(f"incomplete.*_{path.name}"):
        shutil.rmtree(leftover, ignore_errors=not leftover.exists())
    if path.exists():
        path.rename(aside)
    try:
        yield
    except BaseException:
        if aside.exists():
            shutil.rmtree(path, ignore_errors=True)
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def bring_back(path: Path, is_whole: Callable[[], bool]) -> None:
    """Ends what a killed process has begun; to be called where no other one builds.

    Args:
        path: of the set.
        is_whole: whether what is there now can be used; else the earlier one comes back.
    """
    aside = _aside(path)
    if not aside.exists():
        return
    if is_whole():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        shutil.rmtree(path, ignore_errors=True)
        aside.rename(path)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")
