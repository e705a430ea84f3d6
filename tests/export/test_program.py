"""Each network as a portable program: the same answers as by the layers of this machine."""

import jax
import numpy as np
import pytest
from PIL import Image

from tests.export.networks import CASES, GRAY, make_classifier
from wbc_jax.data.preprocessing import Settings, shrink
from wbc_jax.errors import UserError
from wbc_jax.evaluation.results import softmax
from wbc_jax.export.program import export_program, flat_weights, input_size
from wbc_jax.models.registry import MODELS
from wbc_jax.nn.lowering import portable

# Not as the tests are compiled otherwise, where the same operations round in other places.
AS_RELEASED = {"xla_backend_optimization_level": 3, "xla_cpu_parallel_codegen_split_count": 32}


def test_no_network_is_left_out() -> None:
    assert {name for name, _, _ in CASES} == MODELS.keys()


@pytest.mark.parametrize(("name", "settings", "flips"), CASES)
def test_a_program_answers_as_the_network_does(name: str, settings: Settings, flips: bool) -> None:
    classifier = make_classifier(name, settings, flips=flips)
    rows, columns = input_size(classifier, (30, 40))
    assert (rows, columns) == ((15, 15) if settings.view == "white_cell" else (30, 40))
    exported = export_program(classifier, (30, 40))
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (5, rows, columns, 3), dtype=np.uint8)
    answers = jax.jit(exported.call, compiler_options=AS_RELEASED)(flat_weights(classifier), images)

    inputs = np.stack([shrink(Image.fromarray(image), settings) for image in images])
    logits = np.asarray(jax.jit(classifier.logits_of)(classifier.variables, inputs))
    assert np.ptp(softmax(logits)) > 0.05
    np.testing.assert_allclose(answers["logits"], logits, atol=1e-5 * np.abs(logits).max())
    np.testing.assert_allclose(answers["probabilities"], softmax(logits), atol=1e-6)
    np.testing.assert_allclose(answers["calibrated"], softmax(logits / np.float32(1.7)), atol=1e-6)
    with portable():
        again = jax.jit(lambda *values: classifier.logits_of(*values), compiler_options=AS_RELEASED)
        same = again(classifier.variables, inputs)
    np.testing.assert_allclose(answers["logits"], same, atol=1e-7 * np.abs(logits).max())


@pytest.mark.parametrize("size", [(0, 10), (10, 5000)])
def test_a_size_out_of_range_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=rf"input_size={size[0]}x{size[1]} must be ROWSxCOLUMNS"):
        input_size(make_classifier("cnn", GRAY, flips=False), size)
