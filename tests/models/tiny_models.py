"""Each network with layers so small that it compiles and runs in a moment, for 8x8 images."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from wbc_jax.models import create_model

IMAGE_SHAPE = (8, 8, 3)
HEAD = {"conv_features": (8, 8), "dense_features": (8,), "dropout_rate": 0.5}
TINY: dict[str, dict[str, Any]] = {
    "cnn": {"conv_features": (4, 4, 8), "dense_features": (8,), "dropout_rate": 0.5},
    "alexnet": {"conv_features": (4, 4, 4, 4, 8), "dense_features": (8, 8), "dropout_rate": 0.5},
    "resnet50": {"stage_sizes": (1, 1), "width": 4, "head": HEAD},
    "vgg19": {
        "stage_sizes": (1, 1),
        "stage_features": (4, 8),
        "dense_features": (8,),
        "head": HEAD,
    },
    "small_resnet": {"stage_sizes": (1, 1), "stage_features": (4, 8), "dropout_rate": 0.5},
}


def tiny_model(name: str, *, dtype: str = "float32", **layers: Any) -> nn.Module:
    """Returns the small network with some fields changed."""
    return create_model(name, num_classes=4, dtype=dtype, **(TINY[name] | layers))


def draw_variables(model: nn.Module) -> Any:
    """Variables that leave no layer idle, unlike `init`, whose last layer and shortcuts are zero.

    Drawn by NumPy, which need not be compiled.
    """
    random = np.random.default_rng(0)

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> jax.Array:
        if leaf.ndim > 1:
            values = random.normal(scale=np.prod(leaf.shape[:-1]) ** -0.5, size=leaf.shape)
        elif path[-1].key in ("scale", "var"):
            values = random.uniform(0.5, 1.5, leaf.shape)
        else:
            values = random.normal(scale=0.1, size=leaf.shape)
        return jnp.asarray(values, leaf.dtype)

    abstract = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, *IMAGE_SHAPE)))
    return jax.tree_util.tree_map_with_path(draw, abstract)
