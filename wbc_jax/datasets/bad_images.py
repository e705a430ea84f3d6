"""Files of a data set that cannot be used: refused all at once, or left out and told of.

bad = [BadFile("eosi/3.bmp", "image file is truncated")]
summary(bad)                          # "eosi/3.bmp (image file is truncated)"
"""

from collections.abc import Sequence
from typing import NamedTuple

from wbc_jax.datasets.in_words import listed
from wbc_jax.errors import UserError

ON_BAD_IMAGE = ("error", "skip")  # what to do about them; the first is the default
MOST_NAMED = 10  # in a message; dataset.json names all that were left out


class BadFile(NamedTuple):
    """A file that cannot be used.

    Attributes:
        file: its path within the set, printable.
        reason: why, in a few words.
    """

    file: str
    reason: str


def require_known(on_bad_image: str) -> None:
    """Checks the word that says what to do.

    Raises:
        UserError: it is not one of `ON_BAD_IMAGE`.
    """
    if on_bad_image not in ON_BAD_IMAGE:
        raise UserError(
            f"on_bad_image={on_bad_image!r} must be one of {', '.join(ON_BAD_IMAGE)}: refuse a "
            "set with a file that cannot be used, or leave that file out and say so"
        )


def summary(bad: Sequence[BadFile]) -> str:
    """Returns the first files with their reasons, and how many more there are."""
    return listed([f"{file} ({reason})" for file, reason in bad], at_most=MOST_NAMED)


def refusal(dataset: str, where: str, bad: Sequence[BadFile], *, remedy: str) -> UserError:
    """Returns what refuses a copy of a data set for its bad files.

    Args:
        dataset: its name.
        where: its copy is.
        bad: at least one.
        remedy: what to do, as a sentence without its full stop.
    """
    return UserError(
        f"{dataset}: {len(bad)} of the files in {where} cannot be used: {summary(bad)}. {remedy}; "
        "nothing was prepared"
    )


def warning(bad: Sequence[BadFile]) -> str:
    """Returns what a reader of a run's figures must be told of the files that were left out."""
    said = "1 file was" if len(bad) == 1 else f"{len(bad):,} files were"
    return f"{said} left out of the data set as bad (--on_bad_image=skip): {summary(bad)}"
