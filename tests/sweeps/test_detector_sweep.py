"""A sweep over detectors: the same plan, runs and page, other figures."""

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.reporting.html_page import check_page
from tests.sweeps.sweep_file import write_sweep_file

Launch = Callable[..., subprocess.CompletedProcess[str]]


def test_what_is_missing_is_trained_and_the_page_has_the_figures_of_detectors(
    launch: Launch, tiny_flags: Callable[[str], dict[str, Any]], detector_run: Path, tmp_path: Path
) -> None:
    shared = tiny_flags("detector") | {
        "data.validation_share": 0.25,
        "detection.thresholds": (0.06, 0.06, 0.06),
    }
    file = write_sweep_file(
        tmp_path / "detectors.py",
        shared,
        {"done before": {}, "less": {"optim.learning_rate": 1e-4}},
        reference="done before",
        seeds=(0,),
        config="configs/detector.py:smoke",
    )
    output = tmp_path / "out"
    shutil.copytree(detector_run, output / "done-before-seed0")
    flags = ("--mode=sweep", f"--sweep={file}", f"--workdir={output}")
    planned = launch(*flags, "--dry_run")
    assert planned.returncode == 0, planned.stderr
    assert "2 runs, 1 to do, about" in planned.stdout

    result = launch(*flags)
    assert result.returncode == 0, result.stderr
    assert "2 of 2 runs are finished" in result.stdout
    page = check_page((output / "sweep.html").read_text(encoding="utf-8"))
    (rows,) = page.tables.values()
    assert rows[0][-6:-1] == [
        "F1, mean of the kinds",
        "F1, RBC",
        "F1, WBC",
        "F1, Platelets",
        "Count error, RBC",
    ]
    assert "32 test pictures of 8 scenes" in page.text
    assert "too few seeds for a verdict" in page.text
    assert "points of F1 over the test pictures, mean of the kinds" in page.text
    assert "Accuracy" not in page.text
    buttons = [a["id"] for a in page.all("input") if a["type"] == "radio"]
    assert len(buttons) == 5 + 5
    content = json.loads((output / "sweep.json").read_text(encoding="utf-8"))
    assert content["task"] == "detection"
    assert "scenes" in content["intervals"]["method"]
    results = json.loads((detector_run / "results.json").read_text(encoding="utf-8"))
    kinds = results["test"]["per_kind"]
    (done,) = (one for one in content["settings"] if one["name"] == "done before")
    assert done["macro"]["f1"]["mean"] == np.mean([kinds[kind]["f1"] for kind in kinds])
    assert len(done["curves"]["0"]) == len(results["epochs"])
    means = {one["name"]: one["macro"]["f1"]["mean"] for one in content["settings"]}
    assert list(means.values()) == sorted(means.values(), reverse=True)
    with (output / "sweep.csv").open(encoding="utf-8", newline="") as csv_file:
        table = {row["setting"]: row for row in csv.DictReader(csv_file)}
    for kind, figures in kinds.items():
        for name in ("precision", "recall", "f1", "count_mae", "count_bias"):
            assert float(table["done before"][f"{kind}_{name}_mean"]) == figures[name]
    (row,) = (row for row in rows if row[1] == "done before")
    ends = results["test"]["intervals"]["per_kind"]["RBC"]
    low, high = (100 * end for end in ends["f1"])
    assert row[-5].replace(
        "\xa0", " "
    ) == f"{kinds['RBC']['f1']:.1%} [{low:.1f}, {high:.1f}]".replace("%", " %")
    low, high = ends["count_mae"]
    assert (
        row[-2].replace("\xa0", " ") == f"{kinds['RBC']['count_mae']:.2f} [{low:.2f}, {high:.2f}]"
    )
    assert float(table["less"]["difference_mean"]) == means["less"] - means["done before"]
