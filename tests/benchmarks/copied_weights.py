"""Weights of ours put into a PyTorch twin."""

from collections.abc import Iterator
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from benchmarks.torch_twins import Bottleneck
from wbc_jax.models.describe import list_layers

TWIN_LAYERS = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)


def draw_variables(model: flax.linen.Module, side: int) -> dict[str, Any]:
    """Variables that leave no layer idle and keep the values' size from layer to layer."""
    random = np.random.default_rng(0)

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        if leaf.ndim > 1:
            deviation = np.sqrt(2 / np.prod(leaf.shape[:-1]))
            return deviation * random.standard_normal(leaf.shape, np.float32)
        if path[-1].key in ("scale", "var"):
            return random.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        return 0.1 * random.standard_normal(leaf.shape, np.float32)

    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, side, side, 3)))
    return jax.tree_util.tree_map_with_path(draw, shapes)


def copy_weights(
    model: flax.linen.Module, variables: dict[str, Any], twin: nn.Module, side: int
) -> None:
    """Copies layer after layer, in the order in which an image passes them."""
    ours = [layer for layer in list_layers(model, image_shape=(side, side, 3)) if layer.num_params]
    theirs = list(_layers_in_order(twin))
    features = 3
    for layer, module in zip(ours, theirs, strict=True):
        params: Any = _below(variables["params"], layer.path)
        if isinstance(module, nn.BatchNorm2d):
            statistics = _below(variables["batch_stats"], layer.path)
            _put(module.weight, params["scale"])
            _put(module.running_mean, statistics["mean"])
            _put(module.running_var, statistics["var"])
        elif isinstance(module, nn.Conv2d):
            _put(module.weight, params["kernel"].transpose(3, 2, 0, 1))
        else:
            # Flattened maps are [h, w, c] here and [c, h, w] there; a vector has one position.
            kernel = params["kernel"]
            by_position = kernel.reshape(-1, features, kernel.shape[-1])
            _put(module.weight, by_position.transpose(2, 1, 0).reshape(kernel.shape[-1], -1))
        if "bias" in params:
            _put(module.bias, params["bias"])
        features = layer.output_shape[-1]


def _layers_in_order(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, TWIN_LAYERS):
        yield module
        return
    parts = module.children()
    if isinstance(module, Bottleneck):
        # Ours makes the shortcut before the third convolution, whose norm adds it.
        parts = iter([*module.branch[:6], module.shortcut, *module.branch[6:]])
    for part in parts:
        yield from _layers_in_order(part)


def _below(tree: dict[str, Any], path: str) -> Any:
    for name in path.split("/"):
        tree = tree[name]
    return tree


def _put(place: Any, values: np.ndarray) -> None:
    assert place.shape == values.shape
    with torch.no_grad():
        place.copy_(torch.from_numpy(np.ascontiguousarray(values)))
