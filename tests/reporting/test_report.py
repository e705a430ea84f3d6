import base64
import json
from pathlib import Path

import numpy as np
import pytest

from tests.reporting.conftest import CLASSES
from tests.reporting.html_page import Page, check_page
from wbc_jax.errors import UserError
from wbc_jax.reporting.report import as_text, write_report


def _page(path: Path) -> Page:
    return check_page(path.read_text(encoding="utf-8"))


@pytest.fixture
def page(reported_run) -> Page:
    return _page(reported_run / "report.html")


def _table(page: Page, start: str) -> list[list[str]]:
    (rows,) = [rows for caption, rows in page.tables.items() if caption.startswith(start)]
    return rows


def test_the_page_is_self_contained_and_stands_beside_its_figures(make_run, images):
    workdir = make_run()
    before = {path.name for path in workdir.iterdir()}
    path = write_report(workdir, images)
    assert path == workdir / "report.html"
    page = _page(path)
    first = path.read_bytes()
    names = ("accuracy", "loss", "confusion_matrix", "predictions")
    files = {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    assert {file.name for file in (workdir / "figures").iterdir()} == files
    # No temporary file is left behind.
    assert {file.name for file in workdir.iterdir()} == before | {"figures", "report.html"}
    embedded = [base64.b64decode(image["src"].split(",")[1]) for image in page.all("img")]
    assert embedded[0] == (workdir / "figures" / "accuracy.svg").read_bytes()
    assert embedded[3] == (workdir / "figures" / "predictions.png").read_bytes()
    assert len(embedded) == 4
    assert "Read this first" not in page.text, "this run has nothing to warn of"
    assert write_report(workdir, images).read_bytes() == first


def test_data_protocol_and_warnings_stand_before_the_first_number(page):
    first_number = page.text.index("Result on the test images")
    for text in (
        "Augmented copies of real smears",
        "Protocol “paper”",
        "Smears leak.",
        "Second warning.",
    ):
        assert page.text.index(text) < first_number
    assert page.headings[:2] == [(1, "CNN on blood_cells"), (2, "⚠ Read this first")]


def test_both_accuracies_are_named_explained_and_not_confused(make_run, images, edit_json):
    workdir = make_run()

    def set_both(results):
        results["test"] |= {"categorical_accuracy": 0.8512, "binary_accuracy": 0.9349}

    edit_json(workdir / "results.json", set_both)
    text = _page(write_report(workdir, images)).text
    assert "Categorical accuracy 85.1 % The share of the 40 test images whose most" in text
    assert "guessing one of 4 classes blindly gives 25 %" in text
    assert "Binary accuracy 93.5 % The share of all 160 outputs (4 per image)" in text
    assert "a model that says 0.25 to everything already gets 75 %" in text


def test_tables_hold_the_numbers_of_the_run(page, reported_run):
    assert ["Balanced accuracy", "73.5 %"] in [row[:2] for row in _table(page, "Further figures")]
    assert ["Parameters", "1,234,567"] in [row[:2] for row in _table(page, "Further figures")]
    assert ["Wall time", "3 min 20 s"] in [row[:2] for row in _table(page, "Further figures")]
    per_class = json.loads((reported_run / "results.json").read_text())["test"]["per_class"]
    recall = f"{100 * per_class['monocyte']['recall']:.1f} %"
    assert ["monocyte", "63.0 %", recall, "83.0 %", "10"] in _table(page, "Figures per class")
    epochs = _table(page, "Accuracies in per cent")
    assert epochs[3] == [
        *("2", "62.0 %", "65.0 %", "82.0 %", "85.0 %"),
        *("0.2200", "0.2500", "0.5700", "0.6000", "3.2 s"),
    ]
    counts = _table(page, "Augmented copies")
    assert counts[1] == ["eosinophil", "500", "10"]
    assert counts[-1] == ["All", "1,987", "40"]
    assert _table(page, "Splits of blood_cells 1.0.0")[1] == ["TEST", "2,487", "f00d"]


def test_the_sheet_table_lists_the_images_of_the_sheet(page, reported_run):
    rows = _table(page, "The images above")[1:]
    assert len(rows) == 24
    saved = np.load(reported_run / "predictions.npz")
    answers = saved["probabilities"].argmax(axis=1)
    wrong = [row for row in rows if row[1] == "✗ wrong"]
    assert 0 < len(wrong) == min(12, (answers != saved["label"]).sum())
    for row in rows:
        index = int(row[5].removeprefix("TEST/").removesuffix(".jpeg"))
        assert row[2:4] == [CLASSES[saved["label"][index]], CLASSES[answers[index]]]
        assert (row[1] == "✗ wrong") == (row[2] != row[3])


def test_config_environment_and_command_are_shown(page):
    assert ["model.conv_features", "32, 64"] in _table(page, "Config")
    assert ["train.batch_size", "32"] in _table(page, "Config")
    assert ["devices", "cpu:0, cpu:1"] in _table(page, "Environment")
    assert "python launch.py --config=configs/cnn.py:paper '--note=two words'" in page.text


def test_the_reader_is_told_how_train_and_test_differ(page):
    assert "A train number is the running mean over the epoch" in page.text
    assert "dropout and augmentation on" in page.text


def test_names_are_escaped(make_run, images):
    hostile = "<script>alert('x')</script>"
    workdir = make_run(classes=(hostile, "b&b", '"c"', "d"), warnings=(hostile,))
    saved = dict(np.load(workdir / "predictions.npz"))
    saved["filename"] = np.array([f"<img src=x onerror=y>{index}" for index in range(40)])
    np.savez(workdir / "predictions.npz", **saved)
    path = write_report(workdir, images)
    page = _page(path)  # would meet the script and the image's address
    assert hostile in [row[0] for row in _table(page, "Figures per class")]
    assert "<script" not in path.read_text(encoding="utf-8")
    assert len(page.all("img")) == 4


def test_undefined_numbers_are_a_dash_and_a_missing_command_is_said_to_be_missing(
    make_run, images, edit_json
):
    workdir = make_run()

    def no_precision(results):
        results["test"]["per_class"]["monocyte"]["precision"] = None
        results["epochs"][0]["test"]["binary_accuracy"] = None

    edit_json(workdir / "results.json", no_precision)
    edit_json(workdir / "environment.json", lambda environment: environment.pop("command"))
    page = _page(write_report(workdir, images))
    (monocyte,) = [row for row in _table(page, "Figures per class") if row[0] == "monocyte"]
    assert monocyte[1] == "–"
    assert "from – to 91.0 % in 5 epochs" in page.all("img")[0]["alt"]
    assert "The command was not recorded" in page.text


def test_images_of_another_run_are_refused(make_run, images):
    workdir = make_run()
    with pytest.raises(UserError, match=r"run was tested on 40 images, but 39 were given"):
        write_report(workdir, images[:39])
    assert not (workdir / "report.html").exists()


def test_nested_fields_become_text_under_dotted_names():
    nested = {"a": {"b": {"c": 1}, "d": []}, "e": None, "f": (1, 2)}
    assert as_text(nested) == {"a.b.c": "1", "a.d": "", "e": "None", "f": "1, 2"}
