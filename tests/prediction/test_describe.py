"""What is said of the run that predicts: in the terminal, in predictions.json and on the page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.export.networks import GRAY, WINDOW, make_classifier
from wbc_jax.evaluation.classifier import Classifier
from wbc_jax.prediction.describe import describe_run, say
from wbc_jax.prediction.total import Total
from wbc_jax.reporting import leaky

_CHOICE = {
    "threshold": 0.7,
    "target_risk": 0.05,
    "num_smears": 41,
    "test": {"coverage": 0.9, "risk": None},
}
_UNCERTAIN = "every cell is called uncertain"
_WRONG = "of the answers given were wrong"


def run_with(
    choice: dict[str, Any] | None = None,
    classes: str = "abcd",
    *,
    is_leaky: bool = False,
    whole: bool = False,
) -> Classifier:
    """A run that says this of itself."""
    made = make_classifier("cnn", GRAY if whole else WINDOW, flips=False)
    about = {"model": "cnn", "dataset": "d", "protocol": "p", "seed": 0, "is_leaky": is_leaky}
    results = made.run.results | about | {"selective": choice, "classes": classes.split()}
    dataset = {"warnings": ["a warning of the set"], "is_leaky": is_leaky}
    return replace(made, run=replace(made.run, results=results, dataset=dataset))


def describe(classifier: Classifier, **how: Any) -> dict[str, Any]:
    asked = {"place": Path("in"), "detector": None, "single_cells": False, "window": None}
    return describe_run(classifier, **(asked | how))


@pytest.mark.parametrize(
    ("choice", "said", "not_said"),
    [
        (None, "are not calibrated", _WRONG),
        (_CHOICE | {"threshold": None}, _UNCERTAIN, _WRONG),
        (_CHOICE | {"test": {"coverage": 0.9, "risk": 0.229}}, f"22.9 % {_WRONG}", _UNCERTAIN),
        (_CHOICE | {"test": {"coverage": 0.9, "risk": 0.03}}, "artefacts are, too", _WRONG),
        (_CHOICE | {"test": {"coverage": 0.9, "risk": 0.05}}, "artefacts are, too", _WRONG),
    ],
)
def test_what_the_answers_are_worth_is_said(
    choice: dict[str, Any] | None, said: str, not_said: str
) -> None:
    head = describe(run_with(choice))
    text = " ".join(head["warnings"])
    assert said in text
    assert not_said not in text
    assert "Of the images of the run: a warning of the set" in head["warnings"]
    assert set(head["confidence"]) == {
        *("threshold", "target_risk", "coverage_on_test", "risk_on_test")
    }


def test_basophils_are_named_where_the_run_does_not_know_them() -> None:
    without, knows = run_with(classes="eosinophil monocyte"), run_with(classes="monocyte basophil")
    assert "; basophils, blasts, smudge cells and artefacts are" in describe(without)["warnings"][0]
    assert "basophil; blasts, smudge cells and artefacts are" in describe(knows)["warnings"][0]


@pytest.mark.parametrize(("whole", "single_cells"), [(True, False), (True, True), (False, False)])
def test_whole_pictures_of_several_cells_are_warned_of(whole: bool, single_cells: bool) -> None:
    text = " ".join(describe(run_with(whole=whole), single_cells=single_cells)["warnings"])
    assert ("each is answered with the others in sight" in text) == (whole and not single_cells)


@pytest.mark.parametrize("is_leaky", [False, True])
def test_a_leaky_run_is_marked_before_all_else(is_leaky: bool) -> None:
    total = Total(["a", "b"], folder_of=str)
    total.add("x.png", [])
    text = say(describe(run_with(is_leaky=is_leaky)) | total.describe(), Path("gallery.html"))
    assert text.startswith(leaky.MARK) == is_leaky


def test_folders_are_told_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    total = Total(["a", "eosinophil"], folder_of=lambda name: name.split("/")[0])
    for number in range(22):
        name = "a-very-long-name-of-a-slide-1" if number == 0 else f"s{number:02d}"
        answer = {"kind": "WBC", "class": "eosinophil", "most_probable": "eosinophil"}
        total.add(f"{name}/x.png", [answer] * (number + 1))
        if number == 0:
            assert "  folder " not in say(describe(run_with()) | total.describe(), Path("g.html"))
    lines = say(describe(run_with()) | total.describe(), Path("g.html")).splitlines()
    (heads,) = (place for place, line in enumerate(lines) if line.startswith("  folder "))
    assert lines[heads].split() == ["folder", "answered", "a", "eosinophil", "uncertain"]
    assert lines[heads + 2].split() == [
        f"…{'a-very-long-name-of-a-slide-1'[-19:]}",
        *("1", "0.0", "%", "100.0", "%", "0"),
    ]
    assert lines[heads + 21].split()[:2] == ["s19", "20"]
    assert lines[heads + 22] == "  differential.csv has all 22 folders"
    assert len({len(line) for line in lines[heads : heads + 22]}) == 1, "columns"


def test_of_many_bad_files_it_is_said_how_many_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wbc_jax.prediction.total._MOST_BAD_FILES", 2)
    total = Total(["a"], folder_of=str)
    for number, expected in ((2, "2; predictions.json names them"), (3, "3; predictions.json")):
        while total.describe()["num_bad_files"] < number:
            total.add_bad("x.png", "empty")
        text = say(describe(run_with()) | total.describe(), Path("gallery.html"))
        assert f"files left out: {expected}" in text
    assert "predictions.json names the first 2" in text
