"""The networks that are timed against each other are the same."""

import importlib
from typing import Any

import jax
import numpy as np
import pytest

from wbc_jax.models import MODELS, create_model

torch = pytest.importorskip("torch", reason="PyTorch (extra `bench`) is not installed")

# XLA pads a stride of 2 on an even side by one row more at the far end, PyTorch alike on both.
# ResNet50's maps have odd sides wherever it strides if the image has 33 pixels.
SIDES = {"cnn": 50, "alexnet": 50, "vgg19": 50, "resnet50": 33}


def configured_model(name: str) -> Any:
    config = importlib.import_module(f"configs.{name}").get_config("paper")
    return create_model(num_classes=4, **config.model.to_dict())


def test_every_network_of_the_study_has_a_twin() -> None:
    from benchmarks.torch_twins import TWINS

    assert TWINS.keys() == SIDES.keys() < MODELS.keys()


@pytest.mark.parametrize("name", SIDES)
def test_both_have_the_same_number_of_parameters(name: str) -> None:
    from benchmarks.torch_twins import create_twin, num_params
    from wbc_jax.models.describe import list_layers

    layers = list_layers(configured_model(name), image_shape=(50, 50, 3))
    twin = create_twin(name, num_classes=4, bands=3, side=50)
    assert num_params(twin) == sum(layer.num_params for layer in layers)


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize("name", SIDES)
def test_both_compute_the_same_logits_from_the_same_weights(name: str) -> None:
    from benchmarks.torch_twins import create_twin
    from tests.benchmarks.copied_weights import copy_weights, draw_variables

    side, model = SIDES[name], configured_model(name)
    variables = draw_variables(model, side)
    twin = create_twin(name, num_classes=4, bands=3, side=side).eval()
    copy_weights(model, variables, twin, side)
    image = np.random.default_rng(1).standard_normal((2, side, side, 3), np.float32)
    ours = np.asarray(jax.jit(model.apply)(variables, image))
    with torch.inference_mode():
        channels_first = torch.from_numpy(image).permute(0, 3, 1, 2)
        theirs = twin(channels_first).numpy()
    assert np.ptp(ours) > 1e-3 * np.abs(ours).max()  # the image matters
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=2e-4 * np.abs(ours).max())
