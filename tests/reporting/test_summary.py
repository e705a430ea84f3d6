"""The last lines in the terminal."""

import json

from wbc_jax.reporting.summary import data_summary, run_summary


def test_a_run_is_summed_up_with_its_warnings_and_figures(make_run) -> None:
    run = make_run(warnings=("Smears are few.",))
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    lines = run_summary(results, run).splitlines()
    assert lines[1] == "cnn on blood_cells, protocol paper, seed 0: 1,234,567 parameters, 5 epochs"
    assert lines[2] == "  ! Smears are few."
    assert lines[3].split() == ["test", "40", "images", "20", "smears"]
    for label, name in (
        ("categorical accuracy", "categorical_accuracy"),
        ("binary accuracy", "binary_accuracy"),
        ("balanced accuracy", "balanced_accuracy"),
    ):
        (line,) = (line for line in lines if line.startswith(f"  {label} "))
        expected = []
        for part, level in (("test", "image"), ("test_smears", "smear")):
            low, high = results["intervals"][level][name]
            expected += [f"{results[part][name]:.2%}", f"[{100 * low:.1f},", f"{100 * high:.1f}]"]
        assert line.removeprefix(f"  {label}").split() == expected
    assert f"report: {run / 'report.html'}" in lines
    assert not any("LEAKY" in line for line in lines)


def test_a_leaky_run_says_so_in_its_first_line(make_run) -> None:
    run = make_run(is_leaky=True)
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    lines = run_summary(results, run).splitlines()
    assert lines[0].startswith("LEAKY PROTOCOL paper: copies of the same smear are on both sides")
    assert lines[2].startswith("LEAKY PROTOCOL: cnn on blood_cells, protocol paper")


def test_notes_on_the_intervals_stand_beneath_the_figures(make_run, edit_json) -> None:
    run = make_run()
    edit_json(run / "results.json", lambda r: r["intervals"].update(notes=["One smear only."]))
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    lines = run_summary(results, run).splitlines()
    (place,) = (place for place, line in enumerate(lines) if line == "  ! One smear only.")
    assert lines[place - 1].startswith("  [95 % interval: percentile bootstrap over smears")


def test_a_data_set_is_summed_up_by_class_and_part(make_run, edit_json) -> None:
    run = make_run(validated=True, warnings=("Smears are few.",))
    edit_json(run / "dataset.json", lambda data: data.update(num_unresolved=7, num_left_out=1234))
    dataset = json.loads((run / "dataset.json").read_text(encoding="utf-8"))
    lines = data_summary(dataset).splitlines()
    assert lines[0].startswith("blood_cells 1.0.0: ")
    assert "  ! Smears are few." in lines
    heads, _, *counts, _, total = (line.split() for line in lines[-11:-3])
    assert [heads, *counts, total] == [
        ["class", "train", "smears", "validation", "smears", "test", "smears"],
        ["eosinophil", "500", "20", "5", "5", "10", "5"],
        ["lymphocyte", "501", "21", "5", "5", "10", "5"],
        ["monocyte", "502", "22", "5", "5", "10", "5"],
        ["neutrophil", "503", "23", "5", "5", "10", "5"],
        ["all", "1,987", "86", "20", "20", "40", "20"],
    ]
    assert lines[-3:] == [
        "  smears in more than one part: 0",
        "  images of unknown smears, counted in no smear: 7",
        "  images of these splits in no part: 1,234 (other classes, unknown smears, places of "
        "another part, or what the protocol does not take)",
    ]
