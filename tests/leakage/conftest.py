"""Folders with drawn copies, as they are divided into train and test."""

from pathlib import Path

import pytest

from tests.leakage.smear_files import write_copies


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and test with different copies of two smears in common, two of their own each."""
    folder = tmp_path_factory.mktemp("leaky")
    write_copies(folder / "train", range(4), range(2))
    write_copies(folder / "test", range(2, 6), range(5, 7))
    return folder


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Train and test without a smear in common."""
    write_copies(tmp_path / "set" / "train", range(2), range(2))
    write_copies(tmp_path / "set" / "test", range(4, 6), range(2))
    return tmp_path / "set"
