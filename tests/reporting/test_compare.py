import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reporting.html_page import check_page
from wbc_jax.errors import UserError
from wbc_jax.reporting import paper
from wbc_jax.reporting.compare import COLUMNS, compare, run_labels
from wbc_jax.reporting.notes import remarks
from wbc_jax.reporting.run_files import read_run

FIGURES = ("figure7a_accuracy", "figure7b_loss", "figure8_mean_accuracy", "figure9_mean_loss")


def _csv(output: Path) -> list[dict[str, str]]:
    with (output / "table1.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _markdown(output: Path) -> list[list[str]]:
    lines = (output / "table1.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def _html(output: Path) -> list[list[str]]:
    page = check_page((output / "compare.html").read_text(encoding="utf-8"))
    return page.tables["Score and loss of every run"]


def test_the_paper_as_data_is_what_the_paper_prints():
    printed = {(c.model, c.epochs): (c.accuracy, c.loss) for c in paper.TABLE_1}
    assert printed == {
        ("cnn", 5): (0.994, 0.0064),
        ("alexnet", 5): (0.993, 0.0068),
        ("resnet50", 5): (0.994, 0.0064),
        ("vgg19", 5): (0.994, 0.0064),
    }
    claim = paper.claimed("resnet50", epochs=10)
    assert claim is not None
    assert (claim.accuracy, claim.loss) == (0.994, 0.0057)
    assert paper.claimed("vgg19", epochs=10) is None
    assert paper.claimed("vit", epochs=5) is None


def test_every_number_of_a_row(make_run, tmp_path):
    run = make_run("a", model="alexnet", seed=7)
    compare([run], tmp_path / "out")
    (row,) = _csv(tmp_path / "out")
    # Means over five epochs of a / e + b, by hand: the mean of 1/e is 137/300.
    expected = {
        "epochs": 5,
        "seed": 7,
        "paper_accuracy": 0.993,
        "paper_loss": 0.0068,
        "mean_binary_accuracy": 0.95 - 0.2 * 137 / 300,
        "mean_binary_cross_entropy": 0.5 * 137 / 300,
        "mean_categorical_accuracy": 0.9 - 0.5 * 137 / 300,
        "final_categorical_accuracy": 0.8,
        "final_binary_accuracy": 0.91,
        "num_params": 1234567,
        "wall_seconds": 200.0,
    }
    texts = {"model": "alexnet", "dataset": "blood_cells", "protocol": "paper", "run": str(run)}
    assert {key: float(row[key]) for key in expected} == pytest.approx(expected)
    assert {key: row[key] for key in texts} == texts
    assert set(row) == set(expected) | set(texts)
    shown = [
        *("AlexNet", "5", "7", "blood_cells", "paper"),
        *("99.3 %", "85.9 %", "0.0068", "0.2283", "67.2 %"),
        *("80.0 %", "91.0 %", "1,234,567", "3 min 20 s", str(run)),
    ]
    heading, _, cells = _markdown(tmp_path / "out")
    assert cells == shown
    assert heading[6] == "Binary accuracy (mean over the epochs)"
    assert _html(tmp_path / "out")[2] == shown


def test_headings_stand_over_their_columns(make_run, tmp_path):
    compare([make_run("a")], tmp_path / "out")
    top, below, _ = _html(tmp_path / "out")
    ungrouped = [column.title for column in COLUMNS if not column.group]
    assert top == [*ungrouped[:5], "Mean over the epochs", "Last epoch", *ungrouped[5:]]
    assert below == [column.title for column in COLUMNS if column.group]


def test_the_paper_is_silent_on_other_models_and_epochs(make_run, tmp_path):
    runs = [
        make_run("a", model="cnn", num_epochs=6),
        make_run("b", model="vit"),
        make_run("c", model="resnet50", num_epochs=10),
    ]
    compare(runs, tmp_path / "out")
    rows = _csv(tmp_path / "out")
    assert [(row["paper_accuracy"], row["paper_loss"]) for row in rows] == [
        ("", ""),
        ("", ""),
        ("0.994", "0.0057"),
    ]
    assert [row[5] for row in _html(tmp_path / "out")[2:]] == ["–", "–", "99.4 %"]


def test_files_of_a_comparison(make_run, tmp_path):
    output = tmp_path / "deep" / "out"
    path = compare([make_run("a"), make_run("b", model="vgg19")], output)
    assert path == output / "compare.html"
    assert {file.name for file in output.iterdir()} == {
        *("compare.html", "table1.csv", "table1.md", "figures")
    }
    files = {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")}
    assert {file.name for file in (output / "figures").iterdir()} == files
    page = check_page(path.read_text(encoding="utf-8"))
    alts = [image["alt"] for image in page.all("img")]
    assert re.search(r"from the first to the last\. CNN: .* % to .* %; VGG19: .* %\.$", alts[0])
    assert "Claimed by the paper: CNN: 99.4 %; VGG19: 99.4 %." in alts[2]
    assert "Claimed by the paper: CNN: 0.0064; VGG19: 0.0064." in alts[3]
    assert "Read this first" not in page.text, "these runs are alike"
    assert "LEAKY" not in page.text
    claims = page.tables["Every average the paper prints; claims, not measured here"]
    assert claims[2] == ["AlexNet", "5", "99.3 %", "0.0068", "Table I; section IV.C"]
    assert len(claims) == 6


def _remarks(*runs: Path) -> list[str]:
    return remarks({path.name: read_run(path) for path in runs})


def test_remarks_stand_first_in_every_reading_form(make_run, tmp_path):
    runs = [make_run("a"), make_run("b", protocol="official", warnings=("Smears <leak>.",))]
    compare(runs, tmp_path / "out")
    markdown = (tmp_path / "out" / "table1.md").read_text(encoding="utf-8")
    page = check_page((tmp_path / "out" / "compare.html").read_text(encoding="utf-8"))
    found = remarks(dict(zip(("CNN, paper", "CNN, official"), map(read_run, runs), strict=True)))
    assert len(found) == 2
    for text in found:
        assert markdown.index(f"> **Note:** {text}") < markdown.index("| Model")
        assert page.text.index(text) < page.text.index("Table I: score and loss")
    assert page.headings[1] == (2, "⚠ Read this first")


def test_a_leaky_protocol_stands_above_everything_and_over_every_figure(make_run, tmp_path):
    runs = [make_run("a", is_leaky=True), make_run("b", protocol="official")]
    page = check_page(compare(runs, tmp_path / "out").read_text(encoding="utf-8"))
    assert page.text.index("LEAKY PROTOCOL: paper") < page.text.index("2 runs beside the paper")
    for name in FIGURES:
        drawn = (tmp_path / "out" / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert "LEAKY PROTOCOL in some of these runs" in drawn
    compare(runs[:1], tmp_path / "one")
    drawn = (tmp_path / "one" / "figures" / f"{FIGURES[0]}.svg").read_text(encoding="utf-8")
    assert "<!-- LEAKY PROTOCOL -->" in drawn


def test_like_runs_need_no_remark(make_run):
    assert _remarks(make_run("a"), make_run("b", model="vgg19", seed=3)) == []


def test_mixed_data_and_protocols_are_noted(make_run):
    runs = [make_run("a"), make_run("b", protocol="official"), make_run("c", dataset="lisc")]
    (text,) = _remarks(*runs)
    assert "blood_cells / official, blood_cells / paper, lisc / paper" in text
    assert "must not be ranked" in text


def test_synthetic_runs_are_noted(make_run):
    drawn = [make_run(name, dataset="synthetic_smears/default") for name in ("a", "b")]
    (text,) = _remarks(*drawn)
    assert text.startswith("All these runs used synthetic drawings")
    assert "not results on cells" in text
    assert _remarks(drawn[0])[0].startswith("This run used synthetic drawings")
    some = _remarks(*drawn, make_run("c"))
    assert some[0].startswith("2 of these 3 runs used synthetic drawings")


def test_other_files_under_the_same_name_are_noted(make_run):
    (text,) = _remarks(make_run("a"), make_run("b", digest="beef"))
    assert "blood_cells / paper read different files" in text


def test_different_numbers_of_epochs_are_noted(make_run):
    (text,) = _remarks(make_run("a"), make_run("b", num_epochs=10))
    assert "different numbers of epochs (5, 10)" in text


def test_warnings_of_the_runs_are_shown_once_with_their_runs(make_run):
    both = make_run("a", warnings=("Smears leak.",))
    more = make_run("b", warnings=("Smears leak.", "Few images."))
    assert _remarks(both, more) == ["Smears leak.", "b: Few images."]


def test_labels_hold_no_more_than_tells_the_runs_apart(make_run):
    def labels(*runs):
        return run_labels([read_run(run) for run in runs])

    a, b = make_run("a"), make_run("b", model="vgg19", seed=1)
    assert labels(a, b) == ["CNN", "VGG19"]
    c = make_run("c", seed=1)
    assert labels(a, b, c) == ["CNN, seed 0", "VGG19", "CNN, seed 1"]
    d = make_run("d", num_epochs=10)
    assert labels(a, d) == ["CNN, epochs 1-5", "CNN, epochs 1-10"]
    again = make_run("x/a")
    assert labels(a, again) == [f"CNN, {a}", f"CNN, {again}"]
    assert labels(a, make_run("e")) == ["CNN, a", "CNN, e"]
    lisc, official = make_run("l", dataset="lisc"), make_run("o", protocol="official")
    assert labels(b, lisc) == ["VGG19, blood_cells", "CNN, lisc"]
    assert labels(b, official) == ["VGG19, paper", "CNN, official"]


def test_an_undefined_epoch_leaves_the_mean_undefined(make_run, edit_json, tmp_path):
    run = make_run("a")
    edit_json(
        run / "results.json",
        lambda results: results["epochs"][0]["test"].update(binary_accuracy=None),
    )
    compare([run], tmp_path / "out")
    assert _csv(tmp_path / "out")[0]["mean_binary_accuracy"] == ""
    assert _html(tmp_path / "out")[2][6] == "–"  # its column is the binary accuracy


def test_names_are_escaped(make_run, tmp_path):
    run = make_run("a|b<script>", model="<b>net</b>", dataset="</td><script>")
    compare([run], tmp_path / "out")
    assert _html(tmp_path / "out")[2][0] == "<b>net</b>"
    assert r"a\|b<script>" in _markdown(tmp_path / "out")[2][-1]


def test_comparing_twice_gives_the_same_files(make_run, tmp_path):
    runs = [make_run("a"), make_run("b", model="vgg19")]
    output = tmp_path / "out"
    compare(runs, output)
    files = [path for path in sorted(output.rglob("*")) if path.is_file()]
    first = [path.read_bytes() for path in files]
    compare(runs, output)
    assert [path.read_bytes() for path in files] == first


def test_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="no run is given; name at least one"):
        compare([], tmp_path / "out")


def test_a_run_given_twice_is_refused(make_run, tmp_path):
    run = make_run("a")
    with pytest.raises(UserError, match="is given twice"):
        compare([run, run.parent / "." / "x" / ".." / "a"], tmp_path / "out")


def test_a_bad_run_is_named_and_nothing_is_written(make_run, tmp_path):
    with pytest.raises(UserError, match=r"nowhere does not exist"):
        compare([make_run("a"), tmp_path / "nowhere"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_comparing_loads_neither_jax_nor_the_rooms_below():
    code = (
        "import sys, wbc_jax.reporting.compare, wbc_jax.reporting.report\n"
        "rooms = ('training', 'evaluation', 'models', 'nn', 'data')\n"
        "print([name for name in sys.modules if name in ('jax', 'flax', 'matplotlib.pyplot')\n"
        "       or any(name.startswith('wbc_jax.' + room + '.') for room in rooms)])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_output_that_is_a_file_is_refused(make_run, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="is a file; name a folder that is new"):
        compare([make_run("a")], tmp_path / "out")
