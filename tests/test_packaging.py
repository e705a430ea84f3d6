"""What is not Python goes into the package, too."""

import tomllib
from fnmatch import fnmatch

from tests.conftest import REPOSITORY


def test_every_file_of_the_package_is_of_a_kind_that_is_packed() -> None:
    """An editable install would work without; a wheel would not."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    (patterns,) = settings["tool"]["setuptools"]["package-data"].values()
    endings = [pattern.removeprefix("**/") for pattern in patterns]
    left_out = [
        str(path)
        for path in (REPOSITORY / "wbc_jax").rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not any(fnmatch(path.name, ending) for ending in ("*.py", *endings))
    ]
    assert left_out == []
