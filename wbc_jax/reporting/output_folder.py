"""The folder that a report is written into, made and tried before the work is done.

require_apart(Path("runs/audit-images"), [Path("images")])
make_output_folder(Path("runs/audit-images"))
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wbc_jax import run_names
from wbc_jax.errors import UserError
from wbc_jax.file_lock import Held, only_one

_OF_A_RUN = (run_names.RESULTS, run_names.METRICS, run_names.CHECKPOINTS)


def require_apart(output: Path, places: Iterable[Path]) -> None:
    """Checks that what will be written is not taken for input the next time.

    Args:
        output: where a report goes.
        places: files or folders that it is made of.

    Raises:
        UserError: `output` lies within one of them.
    """
    for place in places:
        if output.resolve().is_relative_to(place.resolve()):
            raise UserError(
                f"workdir={output} lies within input={place}; name a folder outside of it"
            )


def require_may_be_written(output: Path) -> None:
    """Checks what can be said before the work begins; makes nothing.

    Raises:
        UserError: it is a file or a run's directory.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"workdir={output} is a file; name a folder that is new or may be added to")
    if _is_of_a_run(output):
        raise UserError(
            f"workdir={output} is a run's directory, which only the run writes into; name another"
        )


def make_output_folder(output: Path) -> None:
    """Makes the folder where it is missing.

    Raises:
        UserError: it is a file or a run's directory, or nothing can be written into it.
    """
    require_may_be_written(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(
            f"workdir={output} cannot be written ({error.strerror}); name a folder that can"
        ) from error


def require_ours(path: Path, first_line: str, writer: str) -> None:
    """Checks that a file which will be replaced was written by us, if it is there.

    Args:
        path: of the file.
        first_line: how ours begin.
        writer: what writes them, for the message.

    Raises:
        UserError: it begins otherwise.
    """
    try:
        with path.open("rb") as file:
            is_ours = file.readline().startswith(first_line.encode())
    except FileNotFoundError:
        return
    except IsADirectoryError:
        is_ours = False
    if not is_ours:
        raise UserError(
            f"{path} was not written by {writer}, and would be replaced: move it, or name another "
            "--workdir"
        )


@contextmanager
def alone_in(output: Path) -> Iterator[None]:
    """Keeps other processes out of the folder within the block; it is made where it is missing.

    Raises:
        UserError: another one is at it.
    """
    try:
        with only_one(output / run_names.IN_USE):
            yield
    except Held as held:
        raise UserError(
            f"workdir={output} is in use by {held}: wait for its end, or name another --workdir"
        ) from held


def _is_of_a_run(folder: Path) -> bool:
    """Whether a run lives here, be it in its first epoch; an export has a config.json, too."""
    has_begun = (folder / run_names.CONFIG).is_file() and (folder / run_names.LOCK).is_file()
    return has_begun or any((folder / name).exists() for name in _OF_A_RUN)
