"""Levers are compared seed by seed, and a training of other settings is not taken for one."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ablation
from configs.recipes.white_cell import get_config
from wbc_jax.errors import UserError
from wbc_jax.nested import flatten

NO_MIXUP = {"train.mixup": 0.0}


def results(images: float, smears: float) -> dict[str, dict[str, float]]:
    return {
        "test": {"categorical_accuracy": images},
        "test_smears": {"categorical_accuracy": smears},
    }


def finished_run(
    folder: Path, name: str, *, seed: int, accuracy: float, changes: dict[str, Any]
) -> None:
    config = get_config("cnn-official_dev")
    config.seed = seed
    config.update_from_flattened_dict(changes)
    run = folder / f"cnn-{ablation.slug(name)}-seed{seed}"
    run.mkdir(parents=True)
    (run / "config.json").write_text(config.to_json(), encoding="utf-8")
    (run / "results.json").write_text(json.dumps(results(accuracy, accuracy)), encoding="utf-8")


@pytest.mark.parametrize("network", ablation.NETWORKS)
def test_every_lever_changes_the_recipe(network: str) -> None:
    recipe = flatten(get_config(f"{network}-official_dev").to_dict())
    for lever, changes in ablation.LEVERS.items():
        assert changes.keys() <= recipe.keys(), lever
        assert any(recipe[name] != value for name, value in changes.items()), lever


def test_differences_are_taken_seed_by_seed() -> None:
    """Seeds that differ much, and a lever that costs each the same: its deviation is nought."""
    recipe = [results(0.9, 0.8), results(0.7, 0.6)]
    changed = [results(0.8, 0.8), results(0.6, 0.6)]
    row = ablation.summary(recipe, changed)
    assert row["images"]["mean"] == pytest.approx(0.7)
    assert row["images"]["sd"] == pytest.approx(0.02**0.5)
    assert row["images"]["brings"] == pytest.approx(0.1)
    assert row["images"]["brings_sd"] == pytest.approx(0.0, abs=1e-9)
    assert row["smears"]["brings"] == 0.0


def test_finished_trainings_are_put_into_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, (own, without) in enumerate([(0.9, 0.85), (0.8, 0.79)]):
        finished_run(tmp_path, "recipe", seed=seed, accuracy=own, changes={})
        finished_run(tmp_path, "no mixup", seed=seed, accuracy=without, changes=NO_MIXUP)
    shared = ["--levers=no mixup", "--seeds=2", f"--runs={tmp_path}", f"--data_dir={tmp_path}"]
    ablation.main([*shared, f"--json={tmp_path / 'a.json'}"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| recipe | 85.0 ± 7.1 % |  | 85.0 ± 7.1 % |  |"
    assert lines[3] == "| no mixup | 82.0 ± 4.2 % | +3.0 ± 2.8 | 82.0 ± 4.2 % | +3.0 ± 2.8 |"
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert written["levers"]["no mixup"]["images"]["brings"] == pytest.approx(0.03)


@pytest.mark.parametrize("changes", [{}, NO_MIXUP | {"augment.light": 0.5}, {"train.mixup": 0.5}])
def test_a_training_of_other_settings_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    """One without its lever's change, one that changes more, and one with another value."""
    finished_run(tmp_path, "recipe", seed=0, accuracy=0.9, changes={})
    finished_run(tmp_path, "no mixup", seed=0, accuracy=0.9, changes=changes)
    with pytest.raises(UserError, match="remove it"):
        ablation.main(
            ["--levers=no mixup", "--seeds=1", f"--runs={tmp_path}", f"--data_dir={tmp_path}"]
        )
