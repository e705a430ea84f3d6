"""Flags, outputs and mistakes, the same for every benchmark.

parser = create_parser("scaling", __doc__)
parser.add_argument("--repeats", type=at_least(1), default=7, help="...")
if __name__ == "__main__":
    run(main)
"""

import argparse
import os
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NoReturn

from wbc_jax.errors import USER_MISTAKE, UserError, exit_with

_PLOT_SUFFIXES = ("", ".svg", ".png")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """See base class."""
        self.exit(USER_MISTAKE, f"error: {message}; see {self.prog} --help\n")


def create_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Returns a parser without flags.

    Args:
        name: of the module in `benchmarks`.
        description: its docstring.
    """
    return _Parser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_outputs(parser: argparse.ArgumentParser, *, plot: bool) -> None:
    """Adds `--json` and, if asked, `--plot`."""
    parser.add_argument("--json", type=_json_file, metavar="FILE", help="Write the figures here.")
    if plot:
        parser.add_argument(
            "--plot", type=_plot_file, metavar="FILE", help="Draw FILE.svg and FILE.png."
        )


def add_data_dir(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Adds `--data_dir` with launch.py's default; `required` where neither gives one."""
    default = os.environ.get("WBC_DATA_DIR")
    parser.add_argument(
        "--data_dir",
        type=_existing_folder,
        default=default,
        required=required and default is None,
        metavar="DIR",
        help="Folder in which the images are looked for. Default: WBC_DATA_DIR.",
    )


def add_cache_dir(parser: argparse.ArgumentParser) -> None:
    """Adds `--cache_dir` with launch.py's default."""
    parser.add_argument(
        "--cache_dir",
        type=lambda text: Path(text).expanduser(),
        default=os.environ.get("WBC_CACHE_DIR") or "~/.cache/wbc_jax",
        metavar="DIR",
        help="Folder for prepared data sets and arrays. Default: WBC_CACHE_DIR.",
    )


def at_least(least: int) -> Callable[[str], int]:
    """Returns what reads a whole number that is not below `least`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least {least}")
        return int(text)

    return read


def numbers(text: str) -> list[int]:
    """Reads whole numbers above 0, separated by commas."""
    return [at_least(1)(number) for number in text.split(",")]


def some_of(choices: Collection[str]) -> Callable[[str], list[str]]:
    """Returns what reads names out of `choices`, separated by commas."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in choices:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is not known; choose from {','.join(choices)}"
                )
        return list(dict.fromkeys(names))

    return read


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a benchmark on the process' arguments; a user's mistake is a message and exit code 2."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        exit_with(str(error))


def say(message: str) -> None:
    """Tells how far the benchmark is; the figures alone go to standard output."""
    print(message, file=sys.stderr, flush=True)


def _json_file(text: str) -> Path:
    return _output(Path(text).expanduser())


def _plot_file(text: str) -> Path:
    path = Path(text).expanduser()
    if path.suffix not in _PLOT_SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text!r} must end in .svg or .png, or in neither")
    return _output(path)


def _output(path: Path) -> Path:
    """Makes the file's folder now: a mistake is not to show after minutes of measuring."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{path.parent} cannot be made ({error.strerror})"
        ) from None
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder; name a file")
    return path


def _existing_folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder; name the folder of the images")
    return path
