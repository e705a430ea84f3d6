"""Photographs are counted by number and class, each once."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.by_number import main
from wbc_jax.errors import UserError


def numbered(run: Path, copy: Path, *, first: int) -> Path:
    """A copy of a run whose smears have the numbers from `first` on, every third one."""
    shutil.copytree(run, copy)
    arrays = dict(np.load(copy / "predictions.npz", allow_pickle=False))
    _, place = np.unique(arrays["source"], return_inverse=True)
    arrays["source"] = np.array([f"BloodImage_{first + 3 * number:05d}" for number in place])
    np.savez(copy / "predictions.npz", **arrays)
    return copy


def test_every_smear_is_counted_in_its_row(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = numbered(finished_run, tmp_path / "run", first=2)
    main([str(run), "--width=8", f"--json={tmp_path / 'rows.json'}"])
    arrays = np.load(run / "predictions.npz", allow_pickle=False)
    expected: Counter[int] = Counter()
    right: Counter[int] = Counter()
    for source in np.unique(arrays["source"]):
        own = arrays["source"] == source
        row = int(source[-5:]) // 8
        expected[row] += 1
        answer = arrays["probabilities"][own].mean(axis=0).argmax()
        right[row] += int(answer == arrays["label"][own][0])
    assert len(expected) > 2
    found = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    for row, count in expected.items():
        own = found[f"{8 * row} to {8 * row + 7}"]
        assert (own["num_smears"], own["count"]) == (count, right[row])
    assert found["all"]["num_smears"] == expected.total()
    images = arrays["probabilities"].argmax(axis=1) == arrays["label"]
    inside = np.array([int(source[-5:]) // 8 == 1 for source in arrays["source"]])
    assert found["8 to 15"]["images_right"] == images[inside].sum()
    assert found["8 to 15"]["num_images"] == inside.sum()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["photographs", "eosinophil"]
    assert lines[-1].split()[0] == "all"
    assert f"{right.total()} of {expected.total()}" in lines[-1]


def test_folds_are_put_together_and_nothing_else(finished_run: Path, tmp_path: Path) -> None:
    one = numbered(finished_run, tmp_path / "one", first=0)
    other = numbered(finished_run, tmp_path / "other", first=1)
    with pytest.raises(UserError, match="the same run twice"):
        main([str(one), str(other)])
    arrays = dict(np.load(other / "predictions.npz", allow_pickle=False))
    arrays["filename"] = np.char.add("other/", arrays["filename"])
    np.savez(other / "predictions.npz", **arrays)
    config = json.loads((other / "config.json").read_text(encoding="utf-8"))
    config["data"]["fold"] = 1
    (other / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name, runs in (("alone", [one]), ("both", [one, other])):
        main([*map(str, runs), f"--json={tmp_path / name}.json"])
    alone, both = (
        json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))["all"]
        for name in ("alone", "both")
    )
    assert (both["count"], both["num_smears"]) == (2 * alone["count"], 2 * alone["num_smears"])
    config["model"]["num_norms"] = 7
    (other / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UserError, match="of several settings or seeds"):
        main([str(one), str(other)])


def test_smears_without_numbers_are_refused(finished_run: Path) -> None:
    with pytest.raises(UserError, match=r"smear '.*' has no number; give runs on blood_cells"):
        main([str(finished_run)])
