"""Pictures to try a prediction on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from wbc_jax.datasets.catalog import CLASSES
from wbc_jax.datasets.synthetic_smears.__main__ import main


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["folder", "--count=0"], "--count=0 must be at least 1"),
        (["file"], "file cannot be made (File exists); name another folder"),
    ],
)
def test_a_mistake_is_one_message(
    flags: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["synthetic_smears", *flags])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert said in capsys.readouterr().err


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
