"""What to say of flags or a config file that could not be read.

print(describe_mistake(error, sys.argv))
workdir = expanded("workdir", "~/runs/A")
"""

import re
from collections.abc import Sequence
from pathlib import Path

from wbc_jax.errors import UserError

# How the libraries that read flags say it, and how we do.
_IN_OUR_WORDS = (
    (r"invalid literal for int\(\) with base 10: ('.*?')", r"\1 is no whole number"),
    (r"could not convert string to float: ('.*?')", r"\1 is no number"),
    (r"\('Non-boolean argument to boolean flag', ('.*?')\)", r"\1 is neither True nor False"),
    (
        r"Failed to parse ('.*?') as a ConfigDict: .*",
        r"\1 cannot stand for a whole part of the config; name a field in it",
    ),
    (r"module '\w+' has no attribute 'get_config'", "the config file has no get_config function"),
)


def expanded(flag: str, text: str) -> Path:
    """Returns the path that a flag names, with `~` as the user's own folder.

    Raises:
        UserError: the user named by `~` is not known, or has no folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(f"{flag}={text}: {error} Write the whole path instead of ~") from error


def describe_mistake(error: BaseException, argv: Sequence[str]) -> str:
    """Returns one line for whatever reading the flags raised.

    Args:
        error: as raised; the library that loads config files hides the cause behind its traceback.
        argv: the command line.
    """
    cause = error
    while "Traceback" in str(cause) and cause.__context__ is not None:
        cause = cause.__context__
    said = str(cause)
    for theirs, ours in _IN_OUR_WORDS:
        said = re.sub(theirs, ours, said)
    return (
        _unknown_field(cause, argv)
        or f"{said}; see python launch.py --help, and configs/base.py for the config's fields"
    )


def describe_missing_config(config: str) -> str:
    """Returns what to say of a config file that is not there: which there are to train with."""
    folder = Path(__file__).parents[1] / "configs"
    files = {*folder.glob("[!_]*.py"), *folder.glob("recipes/[!_]*.py")} - {folder / "base.py"}
    return f"--config={config} cannot be read; there are: {', '.join(sorted(map(str, files)))}"


def _unknown_field(error: BaseException, argv: Sequence[str]) -> str | None:
    """Returns what to say of an override of a field that is not there; None for other errors."""
    said = str(error.args[0]) if error.args else ""
    field = re.findall(r"\w+", said)[0] if said else ""
    flag = next((arg for arg in argv if arg.startswith("--config.") and field in arg), None)
    if flag is None or not isinstance(error, KeyError | AttributeError):
        return None
    similar = re.findall(r"Did you mean \"(\w+)\"", said)
    hint = f" (did you mean {similar[0]!r}?)" if similar else ""
    return (
        f"{flag}: the config has no field {field!r}{hint}; all are listed in configs/base.py and "
        "the network's own file"
    )
