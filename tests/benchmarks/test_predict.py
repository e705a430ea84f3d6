"""The benchmark of a prediction: what it reports, on a run that is not worth timing."""

import json
from pathlib import Path

import pytest

from benchmarks import attention, predict


def test_times_and_memory_are_reported(
    validated_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(predict, "_NUM_SMEARS", 2)
    monkeypatch.setattr(predict, "_NUM_DRAWN", 2)
    predict.main(
        [
            f"--run={validated_run}",
            "--count=100",
            f"--json={tmp_path / 'figures.json'}",
        ]
    )
    printed = capsys.readouterr().out
    assert "smear, end to end" in printed
    assert "peak memory after 10 files" in printed
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["single_cells"]["count"] == 100
    assert figures["single_cells"]["per_second"] > 0
    smear = figures["smear"]
    parts = smear["decoding, detector, windows"]["cpu_ms"] + smear["classifier"]["cpu_ms"]
    assert smear["end to end"]["cpu_ms"] > 0.2 * parts


def test_where_explanations_point_is_reported(
    validated_run: Path,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(attention, "_DATASET", "synthetic_smears/smoke")
    attention.main([f"--run={validated_run}", f"--cache_dir={cache_dir}", "--count=20"])
    lines = capsys.readouterr().out.splitlines()
    assert "of 20 answered right" in lines[0]
    shares = {
        name.strip(): float(share.rstrip("%"))
        for name, _, share in (line.rpartition(" ") for line in lines if line.endswith("%"))
    }
    assert set(shares) == {
        "Grad-CAM, as published",
        "Grad-CAM, by place",
        "occlusion",
        "a point at random",
    }
    # The white cell's share of a drawn picture.
    assert 3 < shares["a point at random"] < 20
