"""Runs of one setting pooled, settings side by side; with runs as the trainer leaves them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.conftest import write_run
from tests.reporting.html_page import check_page
from wbc_jax.errors import UserError
from wbc_jax.evaluation.pool import pool
from wbc_jax.reporting import leaky

Group = dict[str, Any]


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, *, changes: dict[str, Any] | None = None, **settings: Any) -> Path:
        path = write_run(tmp_path / name, **settings)
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        for field, value in (changes or {}).items():
            room, leaf = field.split(".")
            config.setdefault(room, {})[leaf] = value
        (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return path

    return make


@pytest.fixture
def pooled_groups(tmp_path: Path) -> Callable[..., list[Group]]:
    def read(*runs: Path) -> list[Group]:
        pool(runs, tmp_path / "out")
        content = json.loads((tmp_path / "out" / "pooled.json").read_text(encoding="utf-8"))
        assert content["intervals"]["confidence"] == 0.95
        return list(content["groups"])

    return read


def accuracy(*runs: Path) -> float:
    right: list[bool] = []
    for run in runs:
        with np.load(run / "predictions.npz") as saved:
            right += (saved["probabilities"].argmax(axis=1) == saved["label"]).tolist()
    return float(np.mean(right))


@pytest.mark.parametrize("is_leaky", [False, True])
def test_images_that_are_not_answered_as_labelled_are_listed(
    is_leaky: bool, make_run, tmp_path: Path
) -> None:
    run = make_run("a", seed=0, is_leaky=is_leaky)
    pool([run], tmp_path / "out")
    with (tmp_path / "out" / "doubtful.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    saved = np.load(run / "predictions.npz")
    is_wrong = saved["probabilities"].argmax(axis=1) != saved["label"]
    assert rows
    assert {row["image"] for row in rows} == set(saved["filename"][is_wrong])
    assert {(row["network"], row["protocol"], row["seeds"]) for row in rows} == {
        ("CNN", leaky.name("paper", is_leaky=is_leaky), "1")
    }
    shares = [float(row["probability_of_label"]) for row in rows]
    assert shares == sorted(shares)
    page = (tmp_path / "out" / "pooled.html").read_text(encoding="utf-8")
    assert "doubtful.csv" in page


def test_a_list_that_somebody_has_worked_on_is_not_replaced(make_run, tmp_path: Path) -> None:
    run, file = make_run("a"), tmp_path / "out" / "doubtful.csv"
    for _ in range(2):
        pool([run], file.parent)
    head, *rows = file.read_text(encoding="utf-8").splitlines()
    worked_on = "\n".join([f"{head},verdict", *(f"{row},wrong" for row in rows), ""])
    file.write_text(worked_on, encoding="utf-8")
    with pytest.raises(UserError, match=r"doubtful\.csv was not written by a pool.* move it"):
        pool([run], file.parent)
    assert file.read_text(encoding="utf-8") == worked_on


def test_seeds_of_one_setting_are_one_group(make_run, pooled_groups) -> None:
    runs = [
        make_run("a", seed=0),
        make_run("b", seed=1, changes={"train.steps_per_call": 7}),
        make_run("c", seed=4, changes={"mesh.num_devices": 2, "eval.train_at_rest": True}),
    ]
    (group,) = pooled_groups(*runs)
    assert (group["model"], group["protocol"], group["recipe"]) == ("cnn", "paper", "")
    assert group["seeds"] == [0, 1, 4]
    assert group["folds"] == [0]
    assert group["num_smears"] == 20
    assert group["num_smears_per_class"]["monocyte"] == 5
    assert group["settings"] == {}
    figure = group["image"]["categorical_accuracy"]
    assert figure["mean"] == pytest.approx(np.mean([accuracy(run) for run in runs]))
    assert figure["sd"] == pytest.approx(np.std([accuracy(run) for run in runs], ddof=1))
    assert figure["interval"][0] < figure["mean"] < figure["interval"][1]


def test_one_run_has_the_interval_of_its_results(make_run, pooled_groups) -> None:
    run = make_run("a", seed=2)
    (group,) = pooled_groups(run)
    intervals = json.loads((run / "results.json").read_text())["intervals"]
    for level in ("image", "smear"):
        for name in ("categorical_accuracy", "balanced_accuracy", "macro_f1"):
            assert group[level][name]["interval"] == pytest.approx(intervals[level][name])


def test_folds_are_put_together_seed_by_seed(make_run, pooled_groups) -> None:
    runs = {
        (seed, fold): make_run(
            f"{seed}-{fold}",
            seed=seed,
            fold=fold,
            protocol="crossval",
            prefix=f"fold{fold}",
            num_test=20 + 20 * fold,
        )
        for seed in (0, 1)
        for fold in range(5 if seed == 0 else 4)
    }
    (group,) = pooled_groups(*runs.values())
    assert group["folds"] == [0, 1, 2, 3, 4]
    assert group["num_images"] == [300, 200]
    assert group["num_smears"] == 100
    per_seed = group["image"]["categorical_accuracy"]["per_seed"]
    for seed in (0, 1):
        own = [run for key, run in runs.items() if key[0] == seed]
        assert per_seed[str(seed)] == pytest.approx(accuracy(*own))
    assert group["notes"] == ["Seed 1 without fold 4 of 5: not every smear is tested."]
    (first_folds,) = pooled_groups(runs[0, 0], runs[1, 0])
    lacking = "Seed 0, 1 without fold 1, 2, 3, 4 of 5: not every smear is tested."
    assert first_folds["notes"][0] == lacking
    assert sum("without fold" in note for note in first_folds["notes"]) == 1


def test_other_fields_make_other_groups_and_are_listed(make_run, pooled_groups, tmp_path) -> None:
    long = {"train.num_epochs": 30}
    groups = pooled_groups(
        make_run("a", protocol="official"),
        make_run("b", protocol="official", changes=long),
        make_run("c", protocol="crossval", changes=long),
        make_run("d", model="alexnet", protocol="paper", is_leaky=True),
        make_run("e", protocol="paper", is_leaky=True),
    )
    # From the paper's protocol on, the first recipe met is A.
    shown = [(group["model"], group["recipe"], group["protocol"]) for group in groups]
    assert shown == [
        ("cnn", "A", "paper"),
        ("cnn", "A", "official"),
        ("cnn", "B", "official"),
        ("cnn", "B", "crossval"),
        ("alexnet", "", "paper"),
    ]
    assert groups[2]["settings"] == {
        "model.name": "cnn",
        "data.protocol": "official",
        "train.num_epochs": 30,
    }
    text = (tmp_path / "out" / "pooled.md").read_text(encoding="utf-8")
    assert "| CNN, recipe B | official | 1 | 1 | 40 | 20 |" in text
    assert "| train.num_epochs | 5 | 5 | 30 | 30 | 5 |" in text


def test_a_leaky_protocol_is_marked_everywhere(make_run, tmp_path) -> None:
    warning = "LEAKY PROTOCOL: copies."
    runs = [
        make_run("a", is_leaky=True, warnings=(warning,)),
        make_run("b", protocol="paper_grouped"),
    ]
    path = pool(runs, tmp_path / "out")
    page = check_page(path.read_text(encoding="utf-8"))
    assert page.text.index("LEAKY PROTOCOL: paper") < page.text.index("Each network under")
    (caption,) = [name for name in page.tables if name.startswith("Mean ±")]
    assert [row[1] for row in page.tables[caption][1:]] == ["paper (LEAKY)", "paper_grouped"]
    text = (tmp_path / "out" / "pooled.md").read_text(encoding="utf-8")
    assert text.index(f"> **Note:** CNN, paper (LEAKY): {warning}") < text.index("| Network")
    assert "paper (LEAKY)" in (tmp_path / "out" / "figures" / "gap.svg").read_text()
    assert (tmp_path / "out" / "figures" / "gap.png").is_file()


def test_pooling_twice_gives_the_same_files(make_run, tmp_path) -> None:
    runs = [make_run("a"), make_run("b", seed=1)]
    pool(runs, tmp_path / "one")
    pool(runs[::-1], tmp_path / "two")
    for file in (tmp_path / "one").rglob("*.*"):
        again = tmp_path / "two" / file.relative_to(tmp_path / "one")
        if file.name != "pooled.json" and file.suffix != ".html":  # these list the runs as given
            assert file.read_bytes() == again.read_bytes(), file.name


def test_what_cannot_be_pooled_is_refused(make_run, detector_run, tmp_path) -> None:
    run, output = make_run("a"), tmp_path / "out"
    with pytest.raises(UserError, match="no run is given; name at least one"):
        pool([], output)
    with pytest.raises(UserError, match="is given twice"):
        pool([run, run], output)
    with pytest.raises(UserError, match=r"'classification' and .*'detection'.* pool them apart"):
        pool([run, detector_run], output)
    with pytest.raises(UserError, match=r"a and .*b are the same run twice .*seed 0, fold 0"):
        pool([run, make_run("b")], output)
    with pytest.raises(UserError, match="saw different images"):
        pool([run, make_run("c", seed=1, digest="beef")], output)
    with pytest.raises(UserError, match="saw different images"):  # though some are tested twice
        pool([run, make_run("e", fold=1, digest="beef")], output)
    with pytest.raises(UserError, match="test some images twice"):
        pool([run, make_run("d", fold=1)], output)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file; name a folder"):
        pool([run], tmp_path / "file")
    assert not output.exists()


def test_many_recipes_have_letters_to_the_end(make_run, pooled_groups) -> None:
    runs = [make_run(f"r{n}", changes={"train.num_epochs": n}) for n in range(1, 29)]
    recipes = [group["recipe"] for group in pooled_groups(*runs)]
    assert sorted(recipes, key=lambda text: (len(text), text))[-4:] == ["Y", "Z", "AA", "AB"]
