"""A run with a validation part, exported once."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from wbc_jax.export.export import export_run


@pytest.fixture(scope="session")
def exported(validated_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported run; only to be read, see `export_copy`."""
    output = tmp_path_factory.mktemp("exported") / "cnn"
    export_run(validated_run, output, picture_size=(240, 320))
    return output


@pytest.fixture
def export_copy(exported: Path, tmp_path: Path) -> Any:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(exported, tmp_path / "export-copy"))
