"""What finished runs come to: page, tables and figures; runs as the trainer leaves them."""

import csv
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.reporting.conftest import write_run
from tests.reporting.html_page import Page, check_page
from tests.sweeps.finished_sweep import (
    CONFIG,
    REFERENCE,
    make_facts,
    make_sweep,
    write_all,
    write_page,
)
from wbc_jax.errors import UserError
from wbc_jax.reporting import sweep_page
from wbc_jax.reporting.figure_files import SavedFigure
from wbc_jax.reporting.measures import MEASURES
from wbc_jax.reporting.number_text import NO_VALUE
from wbc_jax.reporting.pooled_text import figure_text
from wbc_jax.reporting.sweep_tables import latex, to_latex
from wbc_jax.sweeps.definition import Setting, Sweep
from wbc_jax.sweeps.plan import Facts
from wbc_jax.sweeps.run import _close
from wbc_jax.sweeps.trials import Trial, make_trials
from wbc_jax.sweeps.write import read_finished, write_sweep


def write(trials: list[Trial], tmp_path: Path, errors: dict[Path, str] | None = None) -> Page:
    return check_page(write_page(trials, tmp_path, errors).read_text(encoding="utf-8"))


def test_the_page_has_a_row_per_setting_and_an_order_per_cost(tmp_path: Path) -> None:
    page = write(write_all(tmp_path), tmp_path)
    (rows,) = page.tables.values()
    assert len(rows) == 8
    assert rows[0][:6] == ["No.", "Setting", "num_norms", "num_pools", "Seeds", "Layers"]
    content = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    means = [one["image"]["categorical_accuracy"]["mean"] for one in content["settings"]]
    assert means == pytest.approx([1.0, 0.9, 0.8, 0.8, 0.675, 0.575, 0.475])
    assert content["settings"][0]["curves"]["2"] == pytest.approx(
        [0.9 - 0.5 / epoch for epoch in range(1, 6)]
    )
    assert "blood_cells, protocol official, 40 test images of 20 smears" in page.text
    assert [row[0] for row in rows[1:]] == [str(rank) for rank in range(1, 8)]
    assert [row[1] for row in rows[1:]] == [one["name"] for one in content["settings"]]
    # Sorting is CSS: each row has its place in every order, and there is a button for each.
    styles = [a["style"] for tag, a in page.tags if tag == "tr" and "style" in a]
    buttons = [a for a in page.all("input") if a["type"] == "radio"]
    assert [button["id"] for button in buttons] == [f"by-{i}" for i in range(7)]
    labels = {a["for"] for a in page.all("label")}
    assert labels == {button["id"] for button in buttons}
    places = [
        {name.strip(): int(value) for name, _, value in (s.partition(":") for s in parts)}
        for parts in (style.rstrip("; ").split(";") for style in styles)
    ]
    keys: list[Callable[[Any], float]] = [
        lambda one: -one["image"]["categorical_accuracy"]["mean"],
        lambda one: -one["smear"]["categorical_accuracy"]["mean"],
        lambda one: one["num_layers"],
        lambda one: one["num_params"],
        lambda one: one["multiply_adds"],
        lambda one: one["wall_seconds"]["mean"],
        lambda one: one["place"],
    ]
    for number, key in enumerate(keys):
        shown = sorted(range(7), key=lambda row: places[row][f"--by-{number}"])
        values = [key(content["settings"][row]) for row in shown]
        assert values == sorted(values)
        assert len(set(values)) >= 6
    figures = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    names = ("costs", "curves", "differences", "parallel")
    assert figures == {f"{name}.{kind}" for name in names for kind in ("svg", "png")}


@pytest.fixture
def unsaved(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """Draws the figures but writes none, which takes most of a page's time; figures by name."""
    drawn = {}

    def keep(figure: Figure, folder: Path, name: str, *, alt: str) -> SavedFigure:
        drawn[name] = figure
        return SavedFigure(alt=alt, svg=b"<svg/>", png=b"")

    monkeypatch.setattr(sweep_page, "save_figure", keep)
    return drawn


@pytest.mark.usefixtures("unsaved")
def test_the_page_says_what_is_better_and_worse_and_where_nothing_is_shown(tmp_path: Path) -> None:
    page = write(write_all(tmp_path), tmp_path)
    for said in (
        "No difference between cnn, num_norms=0, num_pools=1 and <b>100 % & _x_ is shown (+0.0",
        "cnn, num_norms=0, num_pools=2 is worse than <b>100 % & _x_ (-32.5 points",
        "cnn, num_norms=0, num_pools=3 is worse than <b>100 % & _x_ (-22.5 points",
        "cnn, num_norms=2, num_pools=3 is better than <b>100 % & _x_ (+20.0 points",
    ):
        assert said in page.text
    with (tmp_path / "out" / "sweep.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["setting"]: row for row in csv.DictReader(file)}
    worst = rows["cnn, num_norms=0, num_pools=2"]
    assert float(worst["difference_mean"]) == pytest.approx(-0.325)
    assert float(worst["image_categorical_accuracy_mean"]) == pytest.approx(0.475)
    assert float(worst["smear_categorical_accuracy_mean"]) == pytest.approx(0.5)
    assert "6 settings are compared with one: of twenty such comparisons" in page.text


@pytest.mark.usefixtures("unsaved")
def test_csv_and_latex_hold_the_figures(tmp_path: Path) -> None:
    write(write_all(tmp_path), tmp_path)
    content = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    with (tmp_path / "out" / "sweep.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["setting"] for row in rows] == [one["name"] for one in content["settings"]]
    for row, one in zip(rows, content["settings"], strict=True):
        figure = one["smear"]["macro_f1"]
        assert float(row["smear_macro_f1_mean"]) == figure["mean"]
        assert float(row["smear_macro_f1_high"]) == figure["interval"][1]
        assert int(row["multiply_adds"]) == one["multiply_adds"]
        # The run's defaults stand where a setting does not change a field.
        assert row["model.num_pools"] == (one["fields"]["model.num_pools"])
        assert (row["difference_mean"] == "") == (one["name"] == content["reference"])
    text = (tmp_path / "out" / "sweep.tex").read_text(encoding="utf-8")
    assert r"\textless{}b\textgreater{}100 \% \& \_x\_ & " in text
    assert text.count(r"\\") == 8
    assert text.count("{") == text.count("}")


@pytest.mark.usefixtures("unsaved")
def test_tables_say_what_each_setting_is_compared_with(tmp_path: Path) -> None:
    settings = (
        Setting(CONFIG, {}, "a"),
        Setting(CONFIG, {}, "b"),
        Setting(CONFIG, {}, "c", against="b"),
    )
    sweep = Sweep("?", settings, reference="a")
    trials = make_trials(sweep, tmp_path / "out")
    for trial in trials:
        write_run(trial.workdir, seed=trial.seed, protocol="official")
    facts = {setting.title: Facts(1, 2, 3) for setting in settings}
    path = write_sweep(sweep, trials, read_finished(trials)[0], facts, {}, tmp_path / "out")
    with (tmp_path / "out" / "sweep.csv").open(encoding="utf-8", newline="") as file:
        against = {row["setting"]: row["against"] for row in csv.DictReader(file)}
    assert against == {"a": "", "b": "a", "c": "b"}
    text = (tmp_path / "out" / "sweep.tex").read_text(encoding="utf-8")
    assert "differences from the setting that is named" in text
    (row,) = (line for line in text.splitlines() if line.startswith("c & "))
    assert row.endswith(r" from b \\")
    assert "2 settings are compared with others" in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("unsaved")
def test_a_run_that_cannot_be_read_costs_its_own_line_only(tmp_path: Path) -> None:
    trials = write_all(tmp_path)
    broken = {trials[0].workdir: "results.json", trials[4].workdir: "predictions.npz"}
    for folder, name in broken.items():
        (folder / name).write_bytes((folder / name).read_bytes()[:100])
    result = _close(make_sweep(), trials, make_facts(trials), {}, tmp_path / "out")
    assert result.num_failed == 2
    assert "19 of 21 runs are finished" in result.text
    assert "failed: cnn, num_norms=0, num_pools=1, seed 0: " in result.text
    page = check_page((tmp_path / "out" / "sweep.html").read_text(encoding="utf-8"))
    for folder, name in broken.items():
        assert f"{folder / name} " in page.text
    assert "move the run's folder away and run it again with the same config" in page.text
    content = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    seeds = {one["name"]: one["seeds"] for one in content["settings"]}
    assert seeds["cnn, num_norms=0, num_pools=1"] == [1, 2]
    assert seeds[REFERENCE] == [0, 1, 2]


@pytest.mark.usefixtures("unsaved")
def test_the_command_can_be_given_again_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["/x/launch.py", "--mode=sweep", "--sweep=my sweeps/s.py", "--data_dir=images"]
    monkeypatch.setattr(sys, "argv", given)
    page = write(write_all(tmp_path), tmp_path)
    command = "python launch.py --mode=sweep '--sweep=my sweeps/s.py' --data_dir=images"
    assert command in page.text


def test_latex_does_not_take_a_name_for_an_option_of_the_line_before(tmp_path: Path) -> None:
    trials = write_all(tmp_path)
    write(trials, tmp_path)
    content = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    content["settings"][1]["name"] = "[b] second"
    content["settings"][2]["name"] = "* third"
    text = to_latex(content["settings"], MEASURES["classification"], caption="")
    assert "\n{}[b] second & " in text
    assert "\n{}* third & " in text


def test_what_is_best_stands_first_and_what_is_not_defined_last() -> None:
    share, *_, error = MEASURES["detection"].shown
    for measure, best in ((share, 0.9), (error, 0.2)):
        others = (0.5, math.nan)
        settings = [{measure.level: {measure.name: {"mean": mean}}} for mean in (*others, best)]
        order = sorted(range(3), key=lambda place: measure.place_key(settings[place]))
        assert order == [2, 0, 1]


def test_a_count_error_is_no_share() -> None:
    figure = {"mean": 3.168, "sd": 0.251, "interval": [2.63, 3.8249]}
    assert figure_text(figure, is_share=False) == "3.17 ± 0.25 [2.63, 3.82]"
    assert figure_text(figure | {"sd": None}, is_share=False) == "3.17 [2.63, 3.82]"
    undefined = {"mean": math.nan, "sd": math.nan, "interval": [math.nan] * 2}
    assert {figure_text(undefined), figure_text(undefined, is_share=False)} == {NO_VALUE}


def test_latex_has_the_signs_of_mathematics() -> None:
    assert latex("\u221223.3 ± 15.1 [-59.4, 19.2]") == r"$-$23.3 $\pm$ 15.1 [$-$59.4, 19.2]"
    assert latex("32-64-128, <a|b>") == r"32-64-128, \textless{}a\textbar{}b\textgreater{}"


@pytest.mark.usefixtures("unsaved")
def test_settings_that_saw_other_images_are_not_compared(tmp_path: Path) -> None:
    trials = write_all(tmp_path)
    path = trials[-1].workdir / "dataset.json"
    for trial in trials:
        if trial.setting.title == trials[-1].setting.title:
            path = trial.workdir / "dataset.json"
            dataset = json.loads(path.read_text(encoding="utf-8"))
            next(iter(dataset["splits"].values()))["digest"] = "another"
            path.write_text(json.dumps(dataset), encoding="utf-8")
    with pytest.raises(UserError, match="saw different images"):
        write(trials, tmp_path)


@pytest.mark.usefixtures("unsaved")
def test_seconds_of_seeds_in_one_program_are_shared(tmp_path: Path) -> None:
    trials = write_all(tmp_path)
    write(trials, tmp_path)
    path = tmp_path / "out" / "sweep.json"
    before = json.loads(path.read_text(encoding="utf-8"))["settings"]
    for trial in trials:
        environment = trial.workdir / "environment.json"
        content = json.loads(environment.read_text(encoding="utf-8"))
        environment.write_text(json.dumps(content | {"seeds_at_once": [0, 1, 2]}))
    write(trials, tmp_path)
    after = json.loads(path.read_text(encoding="utf-8"))["settings"]
    assert [one["wall_seconds"]["mean"] for one in after] == pytest.approx(
        [one["wall_seconds"]["mean"] / 3 for one in before]
    )


@pytest.mark.usefixtures("unsaved")
def test_what_is_missing_or_failed_stands_on_the_page(tmp_path: Path) -> None:
    trials = write_all(tmp_path, leave_out=3)  # the reference
    page = write(trials, tmp_path, errors={trials[-1].workdir: "out of <memory>"})
    assert "3 of 21 runs are not finished" in page.text
    assert "seed 2 (failed) out of <memory>" in page.text
    assert "seed 1 (missing)" in page.text
    assert "is better" not in page.text
    assert f"{REFERENCE} has no finished run: nothing is said" in page.text
    assert "No two settings could be compared" in page.text
    assert "How far each setting lies above the reference" not in page.text


@pytest.mark.parametrize("is_leaky", [True, False])
def test_every_figure_of_a_leaky_protocol_is_marked(
    is_leaky: bool, unsaved: dict[str, Figure], tmp_path: Path
) -> None:
    page = write(write_all(tmp_path, is_leaky=is_leaky), tmp_path)
    assert set(unsaved) == {"costs", "curves", "differences", "parallel"}
    for figure in unsaved.values():
        texts = [text.get_text() for text in figure.findobj(Text)]
        assert any("LEAKY PROTOCOL" in text for text in texts) == is_leaky
    for image in page.all("img"):
        assert image["alt"].startswith("LEAKY PROTOCOL") == is_leaky
    assert ("protocol official (LEAKY)" in page.text) == is_leaky


@pytest.mark.usefixtures("unsaved")
def test_a_leaky_protocol_is_marked(tmp_path: Path) -> None:
    page = write(write_all(tmp_path, is_leaky=True), tmp_path)
    assert page.text.index("LEAKY PROTOCOL: official") < page.text.index("Which layers?")
    assert "(LEAKY)" in (tmp_path / "out" / "sweep.tex").read_text(encoding="utf-8")


@pytest.mark.usefixtures("unsaved")
@pytest.mark.parametrize("num_settings", [1, 2])
def test_a_small_sweep_has_its_page_too(num_settings: int, tmp_path: Path) -> None:
    settings = tuple(Setting(CONFIG, {}, f"s{i}") for i in range(num_settings))
    sweep = Sweep("?", settings, reference="s0", seeds=(3,))
    trials = make_trials(sweep, tmp_path / "out")
    for trial in trials:
        write_run(trial.workdir, seed=3, protocol="official")
    facts = {setting.title: Facts(1, 2, 3) for setting in settings}
    path = write_sweep(sweep, trials, read_finished(trials)[0], facts, {}, tmp_path / "out")
    page = check_page(path.read_text(encoding="utf-8"))
    assert ("too few seeds for a verdict" in page.text) == (num_settings == 2)
    assert ("No two settings could be compared" in page.text) == (num_settings == 1)
    assert "has no finished run" not in page.text
