"""What finished runs come to: page, tables and figures; runs as the trainer leaves them."""

import csv
import json
from pathlib import Path

import pytest

from tests.reporting.conftest import write_run
from tests.reporting.html_page import Page, check_page
from tests.sweeps.finished_sweep import CONFIG, write_all, write_page
from wbc_jax.errors import UserError
from wbc_jax.reporting import sweep_page
from wbc_jax.reporting.figure_files import SavedFigure
from wbc_jax.reporting.sweep_tables import latex
from wbc_jax.sweeps.definition import Setting, Sweep
from wbc_jax.sweeps.plan import Facts
from wbc_jax.sweeps.trials import Trial, make_trials
from wbc_jax.sweeps.write import write_sweep


def write(trials: list[Trial], tmp_path: Path, errors: dict[Path, str] | None = None) -> Page:
    return check_page(write_page(trials, tmp_path, errors).read_text(encoding="utf-8"))


def test_the_page_has_a_row_per_setting_and_an_order_per_cost(tmp_path: Path) -> None:
    page = write(write_all(tmp_path), tmp_path)
    (rows,) = page.tables.values()
    assert len(rows) == 8
    assert rows[0][:6] == ["No.", "Setting", "num_norms", "num_pools", "Seeds", "Layers"]
    content = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    means = [one["image"]["categorical_accuracy"]["mean"] for one in content["settings"]]
    assert means == sorted(means, reverse=True)
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
    by_params = sorted(range(7), key=lambda i: places[i]["--by-3"])
    params = [content["settings"][i]["num_params"] for i in by_params]
    assert params == sorted(params)
    in_file = sorted(range(7), key=lambda i: places[i]["--by-6"])
    assert [content["settings"][i]["place"] for i in in_file] == list(range(7))
    figures = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    names = ("accuracy", "curves", "differences", "parallel")
    assert figures == {f"{name}.{kind}" for name in names for kind in ("svg", "png")}


@pytest.fixture
def unsaved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws the figures but writes none, which takes most of a page's time."""
    monkeypatch.setattr(
        sweep_page,
        "save_figure",
        lambda figure, folder, name, *, alt: SavedFigure(alt=alt, svg=b"<svg/>", png=b""),
    )


@pytest.mark.usefixtures("unsaved")
def test_settings_of_the_same_answers_do_not_differ_and_the_page_says_so(tmp_path: Path) -> None:
    page = write(write_all(tmp_path), tmp_path)
    said = "No difference between cnn, num_norms=0, num_pools=1 and <b>100 % & _x_ is shown (+0.0"
    assert said in page.text
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
    path = write_sweep(sweep, trials, facts, {}, tmp_path / "out", text="x.py")
    with (tmp_path / "out" / "sweep.csv").open(encoding="utf-8", newline="") as file:
        against = {row["setting"]: row["against"] for row in csv.DictReader(file)}
    assert against == {"a": "", "b": "a", "c": "b"}
    text = (tmp_path / "out" / "sweep.tex").read_text(encoding="utf-8")
    assert "differences from the setting that is named" in text
    (row,) = (line for line in text.splitlines() if line.startswith("c & "))
    assert row.endswith(r" from b \\")
    assert "2 settings are compared with others" in path.read_text(encoding="utf-8")


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
    assert "How far each setting lies above the reference" not in page.text


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
    path = write_sweep(sweep, trials, facts, {}, tmp_path / "out", text="x.py")
    page = check_page(path.read_text(encoding="utf-8"))
    assert ("too few seeds for a verdict" in page.text) == (num_settings == 2)
