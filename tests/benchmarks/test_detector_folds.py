"""Detectors of several folds are scored as one, and no picture counts twice."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.detector_folds import main
from wbc_jax.errors import UserError


def test_one_fold_alone_has_the_runs_own_figures(
    detector_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = json.loads((detector_run / "results.json").read_text(encoding="utf-8"))
    main([str(detector_run), f"--json={tmp_path / 'folds.json'}"])
    ours = json.loads((tmp_path / "folds.json").read_text(encoding="utf-8"))
    for name in ("per_kind", "intervals", "sweep"):
        assert ours[name] == results["test"][name], name
    said = capsys.readouterr().out
    assert said.startswith(f"{results['num_test']} pictures of ")
    assert f"{results['test']['per_kind']['RBC']['f1']:.1%}" in said


def test_two_folds_are_their_sum(detector_run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(detector_run, tmp_path / "other"))
    arrays = dict(np.load(other / "detections.npz", allow_pickle=False))
    arrays["filename"] = np.char.add("other/", arrays["filename"])
    np.savez(other / "detections.npz", **arrays)
    main([str(detector_run), str(other), f"--json={tmp_path / 'folds.json'}"])
    ours = json.loads((tmp_path / "folds.json").read_text(encoding="utf-8"))
    one = json.loads((detector_run / "results.json").read_text(encoding="utf-8"))["test"]
    for kind, figures in one["per_kind"].items():
        assert ours["per_kind"][kind]["support"] == 2 * figures["support"]
        assert ours["per_kind"][kind]["f1"] == pytest.approx(figures["f1"])


def test_a_picture_tested_twice_is_refused(detector_run: Path) -> None:
    with pytest.raises(UserError, match="tested by two of the runs"):
        main([str(detector_run), str(detector_run)])


def test_a_damaged_file_is_named(detector_run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(detector_run, tmp_path / "copy"))
    (copy / "detections.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"detections\.npz cannot be read"):
        main([str(copy)])


def test_two_settings_are_compared_picture_by_picture(
    detector_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other one finds nothing: its score is nowhere as high as its thresholds."""
    other = Path(shutil.copytree(detector_run, tmp_path / "other"))
    results = json.loads((other / "results.json").read_text(encoding="utf-8"))
    results["thresholds"] = dict.fromkeys(results["thresholds"], 0.999)
    (other / "results.json").write_text(json.dumps(results), encoding="utf-8")
    main([str(detector_run), "--against", str(other), f"--json={tmp_path / 'folds.json'}"])
    ours = json.loads((tmp_path / "folds.json").read_text(encoding="utf-8"))
    for kind, figures in ours["per_kind"].items():
        f1 = ours["difference"][kind]["f1"]
        assert f1["mean"] == pytest.approx(figures["f1"])
        assert f1["interval"] == pytest.approx(ours["intervals"]["per_kind"][kind]["f1"])
    said = capsys.readouterr().out.partition("less those of --against:")[2]
    assert f"{100 * ours['per_kind']['RBC']['f1']:+.1f}" in said
