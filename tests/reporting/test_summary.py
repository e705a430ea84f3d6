"""The last lines in the terminal."""

import json
from pathlib import Path

from wbc_jax.reporting.summary import data_summary, run_summary


def test_a_run_is_summed_up_with_its_warnings_and_figures(finished_run: Path) -> None:
    results = json.loads((finished_run / "results.json").read_text(encoding="utf-8"))
    text = run_summary(results, finished_run)
    assert "cnn on synthetic_smears/smoke, protocol smoke, seed 0" in text
    assert f"{results['num_params']:,} parameters, 2 epochs" in text
    assert f"  ! {results['warnings'][0]}" in text.splitlines()
    for label, name in (
        ("categorical accuracy", "categorical_accuracy"),
        ("binary accuracy", "binary_accuracy"),
        ("balanced accuracy", "balanced_accuracy"),
    ):
        (line,) = (line for line in text.splitlines() if line.startswith(f"  {label} "))
        assert f"{results['test'][name]:.2%}" in line
    assert f"report: {finished_run / 'report.html'}" in text.splitlines()


def test_a_data_set_is_summed_up_by_class_and_part(finished_run: Path) -> None:
    dataset = json.loads((finished_run / "dataset.json").read_text(encoding="utf-8"))
    lines = data_summary(dataset).splitlines()
    assert lines[0].startswith("synthetic_smears/smoke 1.0.0: ")
    assert f"  ! {dataset['warnings'][0]}" in lines
    rows = [line.split() for line in lines[-5:]]
    assert rows == [
        ["eosinophil", "24", "8"],
        ["lymphocyte", "24", "8"],
        ["monocyte", "24", "8"],
        ["neutrophil", "24", "8"],
        ["all", "96", "32"],
    ]
