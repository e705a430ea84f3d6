"""A finished run, evaluated again from its checkpoint."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.evaluation.evaluate import evaluate


def test_it_writes_the_same_predictions_results_and_report_again(
    run_copy: Path, finished_run: Path, cache_dir: Path
) -> None:
    names = ["results.json", *(path.name for path in finished_run.glob("*predictions.npz"))]
    assert {"predictions.npz", "smear_predictions.npz"} <= set(names)
    for name in (*names, "report.html"):
        (run_copy / name).unlink()
    shutil.rmtree(run_copy / "figures")
    results = evaluate(run_copy, Places(None, cache_dir))
    for name in names:
        assert (run_copy / name).read_bytes() == (finished_run / name).read_bytes(), name
    assert results["num_test"] == 32
    assert (run_copy / "report.html").stat().st_size > 0
    assert {path.name for path in (run_copy / "figures").iterdir()} == {
        path.name for path in (finished_run / "figures").iterdir()
    }


@pytest.mark.parametrize("last", ["write_cards", "write_report", "TensorBoard"])
def test_what_ends_before_its_last_file_is_not_finished(
    last: str, run_copy: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep asks for results.json alone before it leaves a run out."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    (run_copy / "results.json").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(f"wbc_jax.evaluation.evaluate.{last}", stop)
        with pytest.raises(KeyboardInterrupt):
            evaluate(run_copy, Places(None, cache_dir))
    assert not (run_copy / "results.json").exists()
    evaluate(run_copy, Places(None, cache_dir))
    assert (run_copy / "results.json").exists()


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("batch_size", [5, 1000])
def test_the_batch_size_of_evaluation_changes_no_prediction(
    batch_size: int, run_copy: Path, cache_dir: Path
) -> None:
    """Neither a padded last batch nor a batch larger than the set changes or drops an image."""
    with np.load(run_copy / "predictions.npz") as arrays:
        before = dict(arrays)
    config = (run_copy / "config.json").read_text(encoding="utf-8")
    assert '"batch_size": 100' in config
    changed = config.replace('"batch_size": 100', f'"batch_size": {batch_size}')
    (run_copy / "config.json").write_text(changed, encoding="utf-8")
    evaluate(run_copy, Places(None, cache_dir))
    with np.load(run_copy / "predictions.npz") as arrays:
        assert arrays["filename"].tolist() == before["filename"].tolist()
        assert arrays["label"].tolist() == before["label"].tolist()
        np.testing.assert_allclose(arrays["probabilities"], before["probabilities"], atol=1e-6)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, cache_dir: Path) -> None:
    with pytest.raises(UserError, match=r"is not a run directory \(no config\.json\)"):
        evaluate(tmp_path / "nothing", Places(None, cache_dir))
    assert not (tmp_path / "nothing").exists()


def test_a_run_without_checkpoint_says_to_train_first(run_copy: Path, cache_dir: Path) -> None:
    shutil.rmtree(run_copy / "checkpoints")
    with pytest.raises(UserError, match="holds no checkpoint; train first"):
        evaluate(run_copy, Places(None, cache_dir))


def test_a_run_whose_config_was_changed_by_hand_is_refused(run_copy: Path, cache_dir: Path) -> None:
    path = run_copy / "config.json"
    config = path.read_text(encoding="utf-8")
    assert '"num_norms": 1' in config
    path.write_text(config.replace('"num_norms": 1', '"num_norms": 2'), encoding="utf-8")
    with pytest.raises(UserError, match="is of another model or optimizer"):
        evaluate(run_copy, Places(None, cache_dir))


@pytest.mark.parametrize(("group", "field"), [("data", "window_side"), ("train", "mixup")])
def test_a_run_made_before_a_field_is_told_which(
    group: str, field: str, run_copy: Path, cache_dir: Path
) -> None:
    path = run_copy / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config[group][field]
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UserError, match=f"lacks a field .*{field}.*train it again"):
        evaluate(run_copy, Places(None, cache_dir))
