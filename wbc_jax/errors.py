"""The one exception that means: the user can mend this.

`launch.py` prints its message without a traceback and exits with code 2. Everything else that
is raised is a fault of ours and keeps its traceback.
"""


class UserError(Exception):
    """A mistake in what the user gave: the message names field, value, rule and remedy."""
