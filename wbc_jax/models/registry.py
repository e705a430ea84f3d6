"""Networks by name.

model = create_model("alexnet", num_classes=4, conv_features=(32, 96, 128, 128, 96))
variables = model.init(key, image)
logits = model.apply(variables, image)
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from wbc_jax.errors import UserError
from wbc_jax.models.alexnet import AlexNet
from wbc_jax.models.cnn import CNN
from wbc_jax.models.head import Head
from wbc_jax.models.resnet import ResNet
from wbc_jax.models.vgg import VGG

MODELS: dict[str, type[nn.Module]] = {
    "cnn": CNN,
    "alexnet": AlexNet,
    "resnet50": ResNet,
    "vgg19": VGG,
}
DTYPES = ("float32", "bfloat16")


def _require_known(given: Mapping[str, Any], module: type[nn.Module], where: str) -> None:
    """Raises UserError where `given` names a field that `module` does not have."""
    known = {field.name for field in fields(module)} - {"parent", "name", "num_classes", "dtype"}
    if unknown := sorted(set(given) - known):
        raise UserError(
            f"{where} has no field {unknown[0]!r}; its fields are {', '.join(sorted(known))}"
        )


def create_model(
    name: str, *, num_classes: int, dtype: str = "float32", **layers: Any
) -> nn.Module:
    """Returns the network called `name`.

    Args:
        name: a key of `MODELS`.
        num_classes: outputs.
        dtype: of the computation, one of `DTYPES`; parameters and logits stay float32.
        **layers: further fields of the network's class, its layer counts among them; `head` is a
            mapping of fields of `Head`.

    Raises:
        UserError: name, dtype or a field is not known.
    """
    if name not in MODELS:
        raise UserError(f"model.name={name!r} is not known; choose one of {', '.join(MODELS)}")
    if dtype not in DTYPES:
        raise UserError(f"model.dtype={dtype!r} is not known; choose one of {', '.join(DTYPES)}")
    _require_known(layers, MODELS[name], f"model of {name}")
    _require_known(layers.get("head", {}), Head, "model.head")
    return MODELS[name](num_classes=num_classes, dtype=jnp.dtype(dtype), **layers)
