"""Networks by name.

model = create_model("alexnet", num_classes=4, conv_features=(32, 96, 128, 128, 96))
variables = model.init(key, image)
logits = model.apply(variables, image)
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from wbc_jax.errors import UserError, require_choice
from wbc_jax.models.alexnet import AlexNet
from wbc_jax.models.cnn import CNN
from wbc_jax.models.head import Head
from wbc_jax.models.heat_maps import HeatMapNet
from wbc_jax.models.resnet import ResNet
from wbc_jax.models.small_resnet import SmallResNet
from wbc_jax.models.vgg import VGG

MODELS: dict[str, type[nn.Module]] = {
    "cnn": CNN,
    "alexnet": AlexNet,
    "resnet50": ResNet,
    "vgg19": VGG,
    "small_resnet": SmallResNet,
}
DETECTORS: dict[str, type[nn.Module]] = {"detector": HeatMapNet}
DTYPES = ("float32", "bfloat16")
MOST_LAYERS = 256  # of one field
MOST_STAGES = 12  # ResNet's width doubles with each
MOST_WIDTH = 65_536


def _require_valid(given: Mapping[str, Any], module: type[nn.Module], where: str) -> None:
    """Raises UserError for a field that `module` lacks or a value that it cannot take."""
    others = {"parent", "name", "num_classes", "dtype"}
    known = {field.name: field.default for field in fields(module) if field.name not in others}
    if unknown := sorted(set(given) - known.keys()):
        raise UserError(
            f"{where} has no field {unknown[0]!r}; its fields are {', '.join(sorted(known))}"
        )
    for name, value in given.items():
        if name == "dropout_rate" and not 0 <= value < 1:
            raise UserError(f"{where}: dropout_rate={value} must lie in [0, 1)")
        if isinstance(value, tuple | int) and _holds_whole_numbers(known[name]):
            _require_whole_numbers(name, value, where)


def _holds_whole_numbers(default: Any) -> bool:
    """Whether a field does, by its default; of one without a default it is assumed."""
    numbers = default if isinstance(default, tuple) else (default,)
    return default is MISSING or all(type(number) is int for number in numbers)


def _require_whole_numbers(name: str, value: Any, where: str) -> None:
    """Raises UserError for what is no layer count, place, width or size, or is beyond reason.

    Building is tracing, layer by layer: a count without bound would keep it busy for ever.
    """
    numbers = value if isinstance(value, tuple) else (value,)
    is_count = name.startswith("num_") or name == "stage_sizes"
    # Places and numbers of layers start at 0, widths and sizes at 1.
    least = 0 if name.startswith("num_") or name.endswith("_after") else 1
    most = MOST_LAYERS if is_count else MOST_WIDTH
    # Not isinstance: True is an int, too.
    if not all(type(number) is int and least <= number <= most for number in numbers):
        raise UserError(
            f"{where}: {name}={value!r} must consist of whole numbers of at least {least} and at "
            f"most {most}"
        )
    longest = MOST_STAGES if name.startswith("stage_") else MOST_LAYERS
    if len(numbers) > longest:
        raise UserError(
            f"{where}: {name} has {len(numbers)} entries, {longest} are the most allowed"
        )


def create_model(
    name: str, *, num_classes: int, dtype: str = "float32", **layers: Any
) -> nn.Module:
    """Returns the network called `name`.

    Args:
        name: a key of `MODELS` or of `DETECTORS`.
        num_classes: outputs, or maps.
        dtype: of the computation, one of `DTYPES`; parameters and logits stay float32.
        **layers: further fields of the network's class, its layer counts among them; `head` is a
            mapping of fields of `Head`.

    Raises:
        UserError: name, dtype or a field is not known, or a field's value is out of range.
    """
    known = MODELS | DETECTORS
    require_choice("model.name", name, known)
    require_choice("model.dtype", dtype, DTYPES)
    _require_valid(layers, known[name], f"model of {name}")
    _require_valid(layers.get("head", {}), Head, "model.head")
    return known[name](num_classes=num_classes, dtype=jnp.dtype(dtype), **layers)
