"""Sweep files: what they say, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from tests.sweeps.sweep_file import write_sweep_file
from wbc_jax.errors import UserError
from wbc_jax.sweeps.definition import Setting, Sweep, grid, load_sweep
from wbc_jax.sweeps.trials import make_trials


def test_a_grid_has_every_combination_the_last_field_changing_fastest() -> None:
    assert grid({"a": (1, 2), "b": ("x", "y")}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]
    assert grid({}) == [{}]


def test_a_setting_is_named_after_its_changes() -> None:
    changes = {"model.conv_features": (32, 64), "optim.name": "sgd", "model.norm_after": ()}
    setting = Setting("configs/cnn.py:official", changes)
    assert setting.title == "cnn, conv_features=32-64, name=sgd, norm_after=none"
    assert Setting("configs/cnn.py", changes, "short").title == "short"


def test_trials_are_every_setting_with_every_seed_in_a_directory_of_its_own(tmp_path: Path) -> None:
    file = write_sweep_file(
        tmp_path / "s.py",
        {"train.num_epochs": 3},
        {"one": {}, "two, wide": {"model.conv_features": (8, 16), "optim.learning_rate": 1}},
        reference="one",
        seeds=(4, 0),
    )
    trials = make_trials(load_sweep(str(file)), tmp_path / "out")
    assert [(trial.setting.title, trial.seed, trial.workdir.name) for trial in trials] == [
        ("one", 4, "one-seed4"),
        ("one", 0, "one-seed0"),
        ("two, wide", 4, "two-wide-seed4"),
        ("two, wide", 0, "two-wide-seed0"),
    ]
    assert [trial.config.seed for trial in trials] == [4, 0, 4, 0]
    config = trials[2].config
    assert config.train.num_epochs == 3
    assert config.model.conv_features == (8, 16)
    assert config.optim.learning_rate == 1.0
    assert isinstance(config.optim.learning_rate, float)
    assert trials[0].config.model.conv_features == (32, 64, 128)
    assert trials[2].overrides() == [
        "--config=configs/cnn.py:smoke",
        "--config.train.num_epochs=3",
        "--config.model.conv_features=(8, 16)",
        "--config.optim.learning_rate=1",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train.epochs": 3}, "has no field 'train.epochs'"),
        ({"model": 3}, "has no field 'model'"),
        ({"model.name.x": 3}, "has no field 'model.name.x'"),
        ({"train.num_epochs": "many"}, "train.num_epochs='many' is not of the kind of 5"),
        ({"seed": 3}, "changes the seed"),
    ],
)
def test_a_change_that_a_config_cannot_take_is_refused(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = write_sweep_file(
        tmp_path / "s.py", {}, {"a": changes}, reference="a", config="configs/cnn.py"
    )
    with pytest.raises(UserError, match=said.replace("'", ".")):
        make_trials(load_sweep(str(file)), tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = 1", "defines no get_sweep"),
        ("def get_sweep(preset=''): return 3", "must return a Sweep, not 3"),
        ("{settings}[])\n    return Sweep('?', s, 'a')", "has no runs"),
        ("{settings}[one, one])\n    return Sweep('?', s, 'a')", "has the setting 'a' twice"),
        (
            "{settings}[one])\n    return Sweep('?', s, 'b')",
            "reference 'b' is none of its settings",
        ),
        ("{settings}[one])\n    return Sweep('?', s, 'a', (1, 1))", "has a seed twice"),
        ("{settings}[one]){changed}, 'seeds', 3)\n    return own", "seeds=3 must be a tuple of"),
        ("{settings}[one])\n    return Sweep('?', s, 'a', (0, -1))", "whole numbers from 0 on"),
        ("{settings}[one]){changed}, 'settings', ['a'])\n    return own", "be a tuple of Setting"),
        ("{settings}[one])\n    raise ValueError('no preset')", "no preset"),
        ("{settings}[bad('name', 3)])\n    return Sweep('?', s, 'a')", "Setting's name=3 must be"),
        ("{settings}[bad('changes', 1)])\n    return Sweep('?', s, 'a')", "the type Mapping"),
        ("def get_sweep(:", r"cannot be run: SyntaxError: .*line 1"),
        ("x = 1\nimport no_such_module", r"ModuleNotFoundError: .*'no_such_module' \(line 2\)"),
        ("def get_sweep():\n    return 3", "TypeError: .*takes 0 positional arguments but 1"),
        ("{settings}[])\n    return {}['lenet']", r"KeyError: 'lenet' \(line 8\)"),
    ],
)
def test_a_file_that_defines_no_sweep_is_refused(content: str, said: str, tmp_path: Path) -> None:
    settings = (
        "from wbc_jax.sweeps.definition import Setting, Sweep\n"
        "def get_sweep(preset='smoke'):\n"
        "    one = Setting('configs/cnn.py', {}, 'a')\n"
        "    def bad(name, value):\n"
        "        object.__setattr__(one, name, value)\n"
        "        return one\n"
        "    s = tuple("
    )
    file = tmp_path / "s.py"
    # Past the check of arguments' types, which there is in tests alone.
    changed = "\n    own = Sweep('?', s, 'a')\n    object.__setattr__(own"
    content = content.replace("{settings}", settings).replace("{changed}", changed)
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        load_sweep(f"{file}:smoke")


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--sweep=.*nowhere.py cannot be read; name a Python file"):
        load_sweep(str(tmp_path / "nowhere.py"))
    file = write_sweep_file(
        tmp_path / "s.py", {}, {"a": {}}, reference="a", config="configs/lenet.py"
    )
    with pytest.raises(UserError, match=r"config=configs/lenet.py cannot be read"):
        make_trials(load_sweep(str(file)), tmp_path)


def test_a_config_file_that_returns_no_config_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "mine.py"
    config.write_text("def get_config(preset=''):\n    return {'model': 1}\n")
    file = write_sweep_file(tmp_path / "s.py", {}, {"a": {}}, reference="a", config=str(config))
    with pytest.raises(UserError, match=r"get_config must return a ConfigDict, not \{'model': 1\}"):
        make_trials(load_sweep(str(file)), tmp_path)


@pytest.mark.parametrize("title", ["a" * 151, "\u00e9" * 76])
def test_a_name_that_no_folder_could_have_is_refused(title: str, tmp_path: Path) -> None:
    """Of letters beyond ASCII a folder's name holds fewer."""
    file = write_sweep_file(tmp_path / "s.py", {}, {title: {}}, reference=title)
    with pytest.raises(UserError, match="is too long for a folder's name; give it a name"):
        make_trials(load_sweep(str(file)), tmp_path)


@pytest.mark.parametrize("title", ["+", ".", "..", "- . -"])
def test_a_setting_that_could_name_no_folder_is_refused(title: str, tmp_path: Path) -> None:
    """Its runs would lie beside the sweep's folder, or be the folder itself."""
    file = write_sweep_file(tmp_path / "s.py", {}, {title: {}}, reference=title)
    with pytest.raises(UserError, match="has no letter or digit to name a folder by"):
        make_trials(load_sweep(str(file)), tmp_path)


def test_settings_that_would_share_a_directory_are_refused(tmp_path: Path) -> None:
    file = write_sweep_file(tmp_path / "s.py", {}, {"a b": {}, "A, b": {}}, reference="a b")
    with pytest.raises(UserError, match="'a b' and 'A, b' would share the directory A-b"):
        make_trials(load_sweep(str(file)), tmp_path)


def test_settings_that_would_be_tested_on_other_images_are_refused(tmp_path: Path) -> None:
    changes = {"a": {}, "b": {"data.num_classes": 5}}
    file = write_sweep_file(tmp_path / "s.py", {}, changes, reference="a")
    with pytest.raises(UserError, match=r"'b' has data\.num_classes=5 and the reference 'a' 4"):
        make_trials(load_sweep(str(file)), tmp_path)


def test_so_are_settings_that_are_compared_among_themselves(tmp_path: Path) -> None:
    """They would stand in one table, and be ranked."""
    settings = (
        Setting("configs/cnn.py:official", {}, "a"),
        Setting("configs/cnn.py:paper", {}, "b", against="b"),
    )
    with pytest.raises(UserError, match=r"'b' has data\.protocol='paper' and the reference 'a'"):
        make_trials(Sweep("?", settings, reference="a"), tmp_path)


def test_classifiers_and_detectors_are_not_ranked_together(tmp_path: Path) -> None:
    """Their protocols may even have the same name."""
    settings = (
        Setting("configs/cnn.py:smoke", {}, "a"),
        Setting("configs/detector.py:smoke", {}, "b"),
    )
    with pytest.raises(
        UserError, match="'b' has task='detection' and the reference 'a' 'classification'"
    ):
        make_trials(Sweep("?", settings, reference="a"), tmp_path)
