"""The one exception that means: the user can mend this.

`launch.py` prints its message without a traceback and exits with code 2. Everything else that
is raised is a fault of ours and keeps its traceback.
"""

import errno
from collections.abc import Collection

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
