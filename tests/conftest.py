"""Fixtures shared by every test."""

from pathlib import Path

import pytest

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images beside the checkout; the test is skipped where it is absent."""
    if not (REAL_DATA / "blood_cells").is_dir():
        pytest.skip(f"real images are not present at {REAL_DATA}")
    return REAL_DATA
