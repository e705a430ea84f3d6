"""Pictures to try a prediction on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import REPOSITORY
from wbc_jax.datasets.catalog import CLASSES


def test_smears_are_drawn_into_a_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wbc_jax.datasets.synthetic_smears", tmp_path / "a"]
    result = subprocess.run(
        [*command, "--count=5"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [f"{i:03d}_{CLASSES[i % 4]}.png" for i in range(5)]
    first, fifth = (np.asarray(Image.open(tmp_path / "a" / names[i])) for i in (0, 4))
    assert first.shape == (240, 320, 3)
    assert (first != fifth).any()
