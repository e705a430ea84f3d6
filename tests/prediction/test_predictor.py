"""From one picture to windows, and from windows to calibrated probabilities."""

import io

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from PIL import Image

from tests.export.networks import WINDOW, make_classifier
from wbc_jax.datasets.decoding import UndecodableError
from wbc_jax.prediction.predictor import Predictor
from wbc_jax.seeds.seed_points import Seeds


def encode(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def test_probabilities_are_calibrated_by_the_runs_temperature() -> None:
    classifier = make_classifier("cnn", WINDOW, flips=False)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    logits = np.asarray(classifier.logits_of(classifier.variables, jnp.asarray(images)))
    found = Predictor(classifier, None).classify(images)
    np.testing.assert_allclose(found, scipy.special.softmax(logits / 1.7, axis=-1), atol=1e-5)
    uncalibrated = scipy.special.softmax(logits, axis=-1)
    assert np.abs(found - uncalibrated).max() > 0.01
    classifier.run.results["test"]["temperature"] = None
    np.testing.assert_allclose(
        Predictor(classifier, None).classify(images), uncalibrated, atol=1e-5
    )


def test_every_white_cell_has_the_window_at_its_own_place() -> None:
    """In the order of the seeds, whatever lies between them."""
    seeds = Seeds(
        np.array([90, 10, 50, 30], np.float32),
        np.array([20, 99, 60, 130], np.float32),
        np.array([1, 0, 1, 1], np.int32),
        np.ones(4, np.float32),
    )
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    sight = Predictor(make_classifier("cnn", WINDOW, flips=False), lambda _: seeds).look(
        encode(picture)
    )
    assert [box.center for box in sight.boxes] == [(89.5, 19.5), (49.5, 59.5), (29.5, 129.5)]
    assert sight.inputs.shape == (3, 8, 8, 3)


def test_a_picture_is_gray_only_where_every_pixel_is() -> None:
    predictor = Predictor(make_classifier("cnn", WINDOW, flips=False), None)
    gray = np.random.default_rng(0).integers(0, 256, (64, 64, 1), np.uint8).repeat(3, axis=-1)
    with pytest.raises(UndecodableError, match="it is gray"):
        predictor.look(encode(gray))
    gray[21, 21] = (90, 60, 160)  # no pixel of the coarse grid that is looked at first
    assert len(predictor.look(encode(gray)).inputs) == 1
