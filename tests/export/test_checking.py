"""The drawn images tell a program that computes otherwise, even of a network sure of itself."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from tests.export.networks import CASES, make_classifier
from tests.export.rounding import BFLOAT16, TF32, round_weights
from wbc_jax.data.preprocessing import Settings
from wbc_jax.evaluation.classifier import Classifier
from wbc_jax.export.checking import answers_of_run, draw_images
from wbc_jax.export.loader import Loaded, compare
from wbc_jax.export.program import export_program, flat_weights, input_size


def make_sure(classifier: Classifier, images: np.ndarray) -> Classifier:
    """Scales the last layer until the class before all others is 20 ahead, on every image."""
    classifier = replace(classifier, flips=False)
    first, second = -np.partition(-answers_of_run(classifier, images)["logits"], 1)[:, :2].T
    factor = 20 / (first - second).min()
    weights = {
        name: leaf * factor if "logits" in name else leaf
        for name, leaf in flat_weights(classifier).items()
    }
    return replace(classifier, variables=unflatten_dict(weights, sep="/"))


@pytest.mark.parametrize(("name", "settings", "flips"), CASES)
def test_rounded_weights_are_found_in_the_logits_where_probabilities_hide_them(
    name: str, settings: Settings, flips: bool
) -> None:
    classifier = make_classifier(name, settings, flips=flips)
    images = draw_images((*input_size(classifier, (30, 40)), 3))
    classifier = replace(make_sure(classifier, images), flips=flips)
    expected = {"images": images, **answers_of_run(classifier, images)}
    program = jax.jit(export_program(classifier, (30, 40)).call)
    facts = {"input": {"shape": ["b", *images.shape[1:]]}}
    loaded = Loaded(facts, classifier.classes, flat_weights(classifier), program, expected)
    healthy = compare(loaded, loaded.drawn)
    assert healthy.holds, healthy
    for bits in (TF32, BFLOAT16):
        rounded = loaded._replace(weights=round_weights(loaded.weights, bits))
        agreement = compare(rounded, loaded.drawn)
        assert not agreement.holds, (bits, agreement)
        if bits == TF32 and not flips:  # mirror images of noise are not answered alike
            assert agreement.probabilities < 1e-6


@pytest.mark.parametrize(
    ("size", "number"), [((240, 320), 8), ((1, 1), 8), ((1000, 1400), 1), ((1000, 1398), 2)]
)
def test_eight_images_are_drawn_or_as_many_as_fit(size: tuple[int, int], number: int) -> None:
    images = draw_images((*size, 3))
    assert images.shape == (number, *size, 3)
    assert images.nbytes <= 8 << 20
    np.testing.assert_array_equal(images, draw_images((*size, 3)))


def test_of_a_size_that_does_not_fit_one_is_drawn() -> None:
    assert len(draw_images((2000, 2000, 3))) == 1
