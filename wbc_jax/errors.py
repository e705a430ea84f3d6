"""The one exception that means: the user can mend this.

Programs print its message without a traceback and exit with code 2. Everything else that is raised
is a fault of ours and keeps its traceback.
"""

import errno
import sys
from collections.abc import Collection
from typing import NoReturn

USER_MISTAKE = 2  # exit code

# What a place gives that cannot be written: the user's to mend. Any other is a fault of ours.
OF_THE_DISK = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ESTALE,
}


class UserError(Exception):
    """A mistake in what the user gave: the message names field, value, rule and remedy."""


def exit_with(message: str) -> NoReturn:
    """Says what the user can mend, and ends the program."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(USER_MISTAKE)


def of_the_place(error: OSError) -> str | None:
    """Returns which file or folder gave an error that the user can mend; None for another one."""
    if error.errno not in {errno.ENAMETOOLONG, *OF_THE_DISK}:
        return None
    return f"{error.filename or 'writing'}: {error.strerror}"


def require_choice(field: str, value: str, choices: Collection[str]) -> str:
    """Returns `value`.

    Raises:
        UserError: it is none of the choices.
    """
    if value not in choices:
        raise UserError(f"{field}={value!r} is not known; choose one of {', '.join(choices)}")
    return value


def require_at_least(field: str, value: float, least: int) -> None:
    """Checks a number that is kept in 32 bits, as steps and rows are.

    Raises:
        UserError: it is below `least`, or too large.
    """
    if not least <= value < 2**31:
        raise UserError(f"{field}={value} must be at least {least} and below 2^31")
