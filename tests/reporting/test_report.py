import base64
import json
from pathlib import Path

import numpy as np
import pytest

from tests.reporting.conftest import CLASSES
from tests.reporting.html_page import Page, check_page
from wbc_jax.errors import UserError
from wbc_jax.reporting.report import write_report
from wbc_jax.reporting.run_files import read_run
from wbc_jax.reporting.run_page import as_text


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
    path = write_report(read_run(workdir), images)
    assert path == workdir / "report.html"
    page = _page(path)
    first = path.read_bytes()
    names = ("accuracy", "loss", "confusion_matrix", "confusion_matrix_smears", "roc")
    names += ("reliability", "predictions")
    files = {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    assert {file.name for file in (workdir / "figures").iterdir()} == files
    # No temporary file is left behind.
    assert {file.name for file in workdir.iterdir()} == before | {"figures", "report.html"}
    embedded = [base64.b64decode(image["src"].split(",")[1]) for image in page.all("img")]
    assert embedded[0] == (workdir / "figures" / "accuracy.svg").read_bytes()
    assert embedded[-1] == (workdir / "figures" / "predictions.png").read_bytes()
    assert len(embedded) == 7
    before_the_figures = page.text[: page.text.index("Result on the test images")]
    assert "Fewer than 10 test smears of eosinophil (5)" in before_the_figures
    assert "A “smear” here is one original photograph" in before_the_figures
    assert write_report(read_run(workdir), images).read_bytes() == first


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


@pytest.mark.usefixtures("unsaved_figures")
def test_both_accuracies_are_named_explained_and_not_confused(make_run, images, edit_json):
    workdir = make_run()

    def set_both(results):
        results["test"] |= {"categorical_accuracy": 0.8512, "binary_accuracy": 0.9349}

    edit_json(workdir / "results.json", set_both)
    text = _page(write_report(read_run(workdir), images)).text
    ends = json.loads((workdir / "results.json").read_text())["intervals"]["image"]
    low, high = (f"{100 * end:.1f}" for end in ends["categorical_accuracy"])
    assert f"Categorical accuracy 85.1 % [{low}, {high}], 95 % interval, 20 smears." in text
    assert "The share of the 40 test images whose most probable class is the true one" in text
    assert "guessing one of 4 classes blindly gives 25 %" in text
    low, high = (f"{100 * end:.1f}" for end in ends["binary_accuracy"])
    assert f"Binary accuracy 93.5 % [{low}, {high}], 95 % interval, 20 smears." in text
    assert "The share of all 160 outputs (4 per image) on the right side of 0.5" in text
    assert "a model that says 0.25 to everything already gets 75 %" in text


def test_tables_hold_the_numbers_of_the_run(page, reported_run):
    results = json.loads((reported_run / "results.json").read_text())
    rows = {row[0]: row[1:] for row in _table(page, "Every figure of the test")}
    assert rows["Balanced accuracy"][0] == "73.5 %"
    low, high = results["intervals"]["image"]["balanced_accuracy"]
    assert rows["Balanced accuracy"][1] == f"[{100 * low:.1f}, {100 * high:.1f}]"
    of_smears = results["test_smears"]["mcc"], *results["intervals"]["smear"]["mcc"]
    value, low, high = (f"{number:.3f}" for number in of_smears)
    assert rows["MCC"][2:4] == [value, f"[{low}, {high}]"]
    assert rows["Calibration error (ECE), scaled"][:4] == ["–"] * 4, "there was no validation"
    run = _table(page, "The network and the run")
    assert ["Parameters", "1,234,567"] in [row[:2] for row in run]
    assert ["Wall time", "3 min 20 s"] in [row[:2] for row in run]
    recall = f"{100 * results['test']['per_class']['monocyte']['recall']:.1f} %"
    (monocyte,) = [row for row in _table(page, "Figures per class, im") if row[0] == "monocyte"]
    shown = [cell.split(" [")[0] for cell in monocyte]
    auroc = f"{results['test']['auroc']['monocyte']:.3f}"
    assert shown == ["monocyte", "63.0 %", recall, "83.0 %", auroc, "10"]
    low, high = results["intervals"]["image"]["per_class"]["monocyte"]["recall"]
    assert monocyte[2].endswith(f"[{100 * low:.1f}, {100 * high:.1f}]")
    assert _table(page, "Figures per class, sm")[1][-1] == "5"
    epochs = _table(page, "Accuracies in per cent")
    assert epochs[3] == [
        *("2", "62.0 %", "65.0 %", "82.0 %", "85.0 %"),
        *("0.2200", "0.2500", "0.5700", "0.6000", "3.2 s"),
    ]
    counts = _table(page, "Augmented copies")
    assert counts[2] == ["eosinophil", "500", "20", "0", "0", "10", "5"]
    assert counts[-1] == ["All", "1,987", "86", "0", "0", "40", "20"]
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


@pytest.mark.usefixtures("unsaved_figures")
def test_names_are_escaped(make_run, images):
    hostile = "<script>alert('x')</script>"
    workdir = make_run(classes=(hostile, "b&b", '"c"', "d"), warnings=(hostile,))
    saved = dict(np.load(workdir / "predictions.npz"))
    saved["filename"] = np.array([f"<img src=x onerror=y>{index}" for index in range(40)])
    np.savez(workdir / "predictions.npz", **saved)
    path = write_report(read_run(workdir), images)
    page = _page(path)  # would meet the script and the image's address
    assert hostile in [row[0] for row in _table(page, "Figures per class, images")]
    assert "<script" not in path.read_text(encoding="utf-8")
    assert len(page.all("img")) == 7


@pytest.mark.usefixtures("unsaved_figures")
def test_undefined_numbers_are_a_dash_and_a_missing_command_is_said_to_be_missing(
    make_run, images, edit_json
):
    workdir = make_run()

    def no_precision(results):
        results["test"]["per_class"]["monocyte"]["precision"] = None
        results["epochs"][0]["test"]["binary_accuracy"] = None

    edit_json(workdir / "results.json", no_precision)
    edit_json(workdir / "environment.json", lambda environment: environment.pop("command"))
    page = _page(write_report(read_run(workdir), images))
    (monocyte,) = [row for row in _table(page, "Figures per class, im") if row[0] == "monocyte"]
    assert monocyte[1].startswith("– [")
    assert "from – to 91.0 % in 5 epochs" in page.all("img")[0]["alt"]
    assert "The command was not recorded" in page.text


def test_a_leaky_protocol_stands_above_everything_and_over_every_number(make_run, images):
    path = write_report(read_run(make_run(is_leaky=True)), images)
    page = _page(path)
    assert page.text.startswith("LEAKY CNN on blood_cells, protocol paper ⚠ LEAKY PROTOCOL: paper")
    assert [attributes["role"] for attributes in page.all("p") if "role" in attributes] == ["alert"]
    assert "copies of the same smear are on both sides, in training and in test" in page.text
    numbers = [caption for caption in page.tables if caption.startswith(("Every", "Figures"))]
    assert len(numbers) == 3
    assert all("(LEAKY)" in caption for caption in numbers)
    assert "Categorical accuracy (LEAKY)" in [title for _, title in page.headings]
    for name in ("accuracy", "loss", "confusion_matrix", "confusion_matrix_smears", "roc"):
        drawn = (path.parent / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert "<!-- LEAKY PROTOCOL -->" in drawn, name


def test_no_word_of_leaky_protocols_where_there_is_none(page):
    assert "leaky" not in page.text.lower()


@pytest.mark.usefixtures("unsaved_figures")
def test_validation_is_shown_where_there_is_such_a_part(make_run, images, page):
    workdir = make_run(validated=True)
    shown = _page(write_report(read_run(workdir), images))
    test = json.loads((workdir / "results.json").read_text())["test"]
    assert (
        f"The temperature, {test['temperature']:.2f}, was fitted on the 20 validation" in shown.text
    )
    rows = {row[0]: row[1:] for row in _table(shown, "Every figure of the test")}
    assert rows["Calibration error (ECE), scaled"][0] == f"{100 * test['ece_scaled']:.1f} %"
    epochs = _table(shown, "Accuracies in per cent")
    assert epochs[1][:3] == ["train", "validation", "test"]
    assert epochs[3][1:4] == ["62.0 %", "64.0 %", "65.0 %"]
    assert "dotted and half filled: validation" in shown.text
    assert "no temperature was fitted" in page.text
    assert "half filled" not in page.text


def test_images_of_another_run_are_refused(make_run, images):
    workdir = make_run()
    with pytest.raises(UserError, match=r"run was tested on 40 images, but 39 were given"):
        write_report(read_run(workdir), images[:39])
    assert not (workdir / "report.html").exists()


def test_nested_fields_become_text_under_dotted_names():
    nested = {"a": {"b": {"c": 1}, "d": []}, "e": None, "f": (1, 2)}
    assert as_text(nested) == {"a.b.c": "1", "a.d": "", "e": "None", "f": "1, 2"}
