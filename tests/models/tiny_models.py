"""Each network with layers so small that it compiles and runs in a moment, for 8x8 images."""

from typing import Any

import flax.linen as nn

from wbc_jax.models import create_model

IMAGE_SHAPE = (8, 8, 3)
HEAD = {"conv_features": (8, 8), "dense_features": (8,), "dropout_rate": 0.5}
TINY: dict[str, dict[str, Any]] = {
    "cnn": {"conv_features": (4, 4, 8), "dense_features": (8,), "dropout_rate": 0.5},
    "alexnet": {"conv_features": (4, 4, 4, 4, 8), "dense_features": (8, 8)},
    "resnet50": {"stage_sizes": (1, 1), "width": 4, "head": HEAD},
    "vgg19": {
        "stage_sizes": (1, 1),
        "stage_features": (4, 8),
        "dense_features": (8,),
        "head": HEAD,
    },
}


def tiny_model(name: str, *, dtype: str = "float32", **layers: Any) -> nn.Module:
    """Returns the small network with some fields changed."""
    return create_model(name, num_classes=4, dtype=dtype, **(TINY[name] | layers))
