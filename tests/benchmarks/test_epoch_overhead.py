"""The share outside of the compiled steps."""

import json
from pathlib import Path

import pytest

from benchmarks.epoch_overhead import main, overhead


def test_the_share_is_what_a_single_call_saves() -> None:
    share = overhead(epoch=[1.0, 2.0, 4.0], single_call=[0.9, 1.6, 4.0])
    assert share.median == pytest.approx(0.1)
    assert share.upper == pytest.approx(0.15)


def test_it_runs_on_the_embedded_drawings(
    cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "overhead.json"
    main(["--preset=smoke", "--repeats=1", f"--cache_dir={cache_dir}", f"--json={result}"])
    assert "outside of the compiled steps:" in capsys.readouterr().out
    written = json.loads(result.read_text())
    assert written["steps"] > 0
    assert len(written["seconds"]["epoch"]) == len(written["seconds"]["single call"]) == 1
