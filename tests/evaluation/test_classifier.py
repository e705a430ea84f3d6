"""A run's classifier from its files alone: the answers that the run gave."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from wbc_jax.data.preprocessing import preprocess
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import prepare, read_split
from wbc_jax.errors import UserError
from wbc_jax.evaluation.classifier import load_classifier
from wbc_jax.evaluation.results import softmax


def test_it_answers_the_test_images_as_the_run_did(validated_run: Path, cache_dir: Path) -> None:
    classifier = load_classifier(validated_run)
    prepared = prepare("synthetic_smears/smoke", Places(None, cache_dir))
    images = {
        e.filename: preprocess(e.image, classifier.settings) for e in read_split(prepared, "test")
    }
    with np.load(validated_run / "predictions.npz") as file:
        batch = np.stack([images[name] for name in file["filename"]])
        logits = jax.jit(classifier.logits_of)(classifier.variables, batch)
        np.testing.assert_allclose(softmax(np.asarray(logits)), file["probabilities"], atol=1e-6)
    assert classifier.temperature is not None
    assert classifier.selective is not None
    assert classifier.classes[0] == "eosinophil"


def test_a_run_without_validation_has_neither_temperature_nor_threshold(finished_run: Path) -> None:
    classifier = load_classifier(finished_run)
    assert classifier.temperature is None
    assert classifier.selective is None


def change_results(run: Path, *, without: str) -> None:
    results = json.loads((run / "results.json").read_text())
    del results[without]
    (run / "results.json").write_text(json.dumps(results))


def test_a_run_of_an_earlier_version_says_how_to_mend_it(run_copy: Path) -> None:
    change_results(run_copy, without="band_statistics")
    with pytest.raises(UserError, match=r"earlier version.*--mode=evaluate --workdir="):
        load_classifier(run_copy)


def test_a_run_without_checkpoints_is_refused(run_copy: Path) -> None:
    shutil.rmtree(run_copy / "checkpoints")
    with pytest.raises(UserError, match="does not hold the state after the last of 2 epochs"):
        load_classifier(run_copy)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        load_classifier(tmp_path)
