"""Several seeds in one program against one after another."""

import json
from pathlib import Path

import pytest

from benchmarks.seeds import main, table


def test_the_ratio_is_that_of_each_round() -> None:
    row = {"network": "cnn", "seeds": 4, "batch_size": 16}
    text = table([row | {"solo": [0.04, 0.08, 0.04], "together": [0.02, 0.04, 0.08]}])
    assert text.splitlines()[2] == "| cnn | 4 | 16 | 40.0 | 40.0 | **2.00** (1.25 to 2.00) |"


@pytest.mark.usefixtures("quick_compilation")
def test_it_runs_on_the_embedded_drawings(
    cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "seeds.json"
    flags = ["--networks=cnn", "--seeds=2", "--preset=smoke", "--steps=1", "--repeats=1"]
    main([*flags, "--batch_size=2", f"--cache_dir={cache_dir}", f"--json={result}"])
    assert "| cnn | 2 | 2 |" in capsys.readouterr().out
    (row,) = json.loads(result.read_text())["rows"]
    assert row["solo"][0] > 0 < row["together"][0]
