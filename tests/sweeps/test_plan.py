"""What is known of a sweep before it starts, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import detector
from configs.base import PRESETS
from tests.sweeps.sweep_file import write_sweep_file
from wbc_jax.errors import UserError
from wbc_jax.sweeps.cost import make_estimate
from wbc_jax.sweeps.definition import load_sweep
from wbc_jax.sweeps.plan import Facts, describe_settings, plan_table
from wbc_jax.sweeps.trials import Trial, make_trials

FOLDER = Path(__file__).parents[2] / "configs" / "sweeps"
SWEEPS = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
VGG = "configs/vgg19.py:smoke"


@pytest.fixture
def trials(tmp_path: Path) -> list[Trial]:
    """Two settings, of which the second has twice the epochs, and two seeds."""
    file = write_sweep_file(
        tmp_path / "s.py",
        {"model.conv_features": (4,), "model.dense_features": (8,), "data.image_size": 16},
        {"short": {"train.num_epochs": 2}, "long": {"train.num_epochs": 4}},
        reference="short",
        seeds=(0, 1),
    )
    return make_trials(load_sweep(str(file)), tmp_path / "out")


def finish(trial: Trial, seconds: float, **environment: Any) -> None:
    trial.workdir.mkdir(parents=True)
    (trial.workdir / "results.json").write_text(json.dumps({"wall_seconds": seconds}))
    (trial.workdir / "environment.json").write_text(json.dumps(environment))


def test_layers_parameters_and_multiply_adds_by_hand(trials: list[Trial]) -> None:
    facts = describe_settings(trials)
    # A 3x3 convolution of 3 to 4 channels, its norm, 16x16 to 2x2 by three poolings, 16 to 8 to 4.
    params = 3 * 3 * 3 * 4 + 4 + 2 * 4 + 16 * 8 + 8 + 8 * 4 + 4
    products = 16 * 16 * 3 * 3 * 3 * 4 + 16 * 8 + 8 * 4
    assert facts == dict.fromkeys(("short", "long"), Facts(3, params, products))


def test_time_is_that_of_runs_that_are_finished(
    trials: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = describe_settings(trials)
    before = make_estimate(trials, facts, num_train=100, num_measured=50)
    assert 15 < (before(trials[0]) or 0) < 20
    monkeypatch.setattr("wbc_jax.sweeps.cost.has_accelerator", lambda: True)
    unknown = make_estimate(trials, facts, num_train=100, num_measured=50)
    assert unknown(trials[0]) is None
    untimed = [line.split() for line in plan_table(trials, facts, unknown).splitlines()]
    assert ["short", "2", "3", "292", "27,808", "–", "0,", "1;", "none"] in untimed
    finish(trials[0], 10.0)
    seconds = make_estimate(trials, facts, num_train=100, num_measured=50)
    assert seconds(trials[1]) == 10.0
    assert seconds(trials[3]) == pytest.approx(20.0)
    table = plan_table(trials, facts, seconds).splitlines()
    rows = {line.split()[0]: line.split() for line in table if line.startswith(("short", "long"))}
    assert rows["short"][-2:] == ["1;", "0"]
    assert rows["long"][-3:] == ["0,", "1;", "none"]
    assert rows["short"][1:5] == ["2", "3", "292", "27,808"]
    assert "4 runs, 3 to do, about 50.0 s one after the other" in table


def test_everything_that_cannot_be_run_is_refused_at_once(tmp_path: Path) -> None:
    """Among them a map that poolings would shrink below 1x1."""
    bad = {
        "too small": {"data.image_size": 16},
        "unequal": {"model.stage_sizes": (1, 1)},
        "no rate": {"optim.learning_rate": 0.0},
        "bands": {"data.bands": "infrared"},
    }
    file = write_sweep_file(tmp_path / "s.py", {}, {"good": {}} | bad, reference="good", config=VGG)
    with pytest.raises(UserError) as refused:
        describe_settings(make_trials(load_sweep(str(file)), tmp_path / "out"))
    text = str(refused.value)
    assert "4 of the sweep's settings cannot be run, so nothing was started" in text
    assert "too small: an image of 16x16 pixels is too small for the 5 poolings" in text
    for name in bad:
        assert f"\n  {name}: " in text
    assert "good:" not in text
    assert not (tmp_path / "out").exists()


def test_a_detector_costs_what_its_convolutions_do(tmp_path: Path) -> None:
    changes = {
        "data.picture_size": (16, 32),
        "augment.crop_margin": 4,
        "model.stage_features": (4, 8, 8),
        "model.stage_sizes": (1, 1, 1),
        "model.num_up": 1,
    }
    settings = {"a": {}, "larger": {"data.picture_size": (32, 64)}}
    config = "configs/detector.py:smoke"
    file = write_sweep_file(tmp_path / "s.py", changes, settings, reference="a", config=config)
    facts = describe_settings(make_trials(load_sweep(str(file)), tmp_path / "out"))
    assert facts["a"].num_params == facts["larger"].num_params
    assert 4 * facts["a"].multiply_adds == facts["larger"].multiply_adds
    assert facts["a"].multiply_adds > 16 * 32 * 9 * 3 * 4  # of the first convolution alone


def test_seeds_that_were_trained_together_share_their_seconds(trials: list[Trial]) -> None:
    facts = describe_settings(trials)
    for trial in trials[:2]:
        finish(trial, 10.0, seeds_at_once=[0, 1])
    estimate = make_estimate(trials, facts, num_train=100, num_measured=50)
    assert estimate(trials[0]) == 5.0
    assert estimate(trials[2]) == pytest.approx(10.0)  # twice the epochs


def test_damaged_results_are_named(trials: list[Trial]) -> None:
    facts = describe_settings(trials)
    finish(trials[0], 10.0)
    path = trials[0].workdir / "results.json"
    path.write_text(path.read_text()[:-3])
    with pytest.raises(UserError, match=r"short-seed0/results\.json is damaged .*; remove the"):
        make_estimate(trials, facts, num_train=100, num_measured=50)


def test_a_directory_of_another_config_is_refused(trials: list[Trial]) -> None:
    trials[1].workdir.mkdir(parents=True)
    (trials[1].workdir / "config.json").write_text(json.dumps({"seed": 7}))
    with pytest.raises(UserError, match="belongs to a run of another config"):
        describe_settings(trials)


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_of_the_repository_can_be_run(name: str, tmp_path: Path) -> None:
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert f"python launch.py --mode=sweep --sweep=configs/sweeps/{name}.py" in text
    # What it is meant for, and all it can be run with.
    real, presets = ("bccd", detector.PRESETS) if name == "detector" else ("official", PRESETS)
    for preset in presets:  # that it exists under each; the networks are the same
        sweep = load_sweep(f"{FOLDER}/{name}.py:{preset}")
        assert len(sweep.seeds) >= 3
    trials = make_trials(load_sweep(f"{FOLDER}/{name}.py:{real}"), tmp_path)
    facts = describe_settings(trials)
    titles = {setting.title: setting for setting in sweep.settings}
    assert facts.keys() == titles.keys()
    assert all(np.isfinite(own.multiply_adds) and own.num_layers > 1 for own in facts.values())
    # No two settings are the same run.
    configs = [trial.config.to_json_best_effort() for trial in trials]
    assert len(set(configs)) == len(configs)
    with pytest.raises(UserError, match="preset 'papre' is not known"):
        make_trials(load_sweep(f"{FOLDER}/{name}.py:papre"), tmp_path)
