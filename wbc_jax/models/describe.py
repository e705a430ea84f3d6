"""A network as a table: every layer with its output, parameters and multiply-adds.

layers = list_layers(model, image_shape=(50, 50, 3))
print(layer_table(layers, title="cnn"))
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from wbc_jax.nn import BatchNorm, Conv, Dense, LayerNorm, LocalResponseNorm, Logits, MaxPool
from wbc_jax.text_table import text_table

KINDS: dict[type[nn.Module], str] = {
    Conv: "convolution",
    nn.Conv: "convolution",
    Dense: "dense",
    nn.Dense: "dense",
    Logits: "dense",
    BatchNorm: "normalization",
    nn.BatchNorm: "normalization",
    nn.GroupNorm: "normalization",
    LayerNorm: "normalization",
    nn.LayerNorm: "normalization",
    LocalResponseNorm: "normalization",
    MaxPool: "max-pooling",
    nn.Dropout: "dropout",
}


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes:
        path: where it stands, e.g. `backbone/Conv_0`.
        kind: convolution, dense, normalization, max-pooling, dropout; or other.
        output_shape: of one image, without the batch; empty of other kinds.
        num_params: trained numbers.
        multiply_adds: of the convolution or matrix product for one image; 0 for other kinds, of
            which they are not known.
    """

    path: str
    kind: str
    output_shape: tuple[int, ...]
    num_params: int
    multiply_adds: int


def list_layers(model: nn.Module, *, image_shape: tuple[int, int, int]) -> list[Layer]:
    """Returns the layers in the order in which an image passes them; computes no values.

    Last come modules of other kinds that hold parameters, so that none is missed.

    Args:
        model: any Linen module called with an image and `train`.
        image_shape: rows, columns, bands.
    """
    layers: list[Layer] = []

    def record(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        output = call(*args, **kwargs)
        module = context.module
        kind = KINDS.get(type(module))
        if kind is not None and context.method_name == "__call__":
            path, params = "/".join(module.path), module.variables.get("params", {})
            is_again = path in {layer.path for layer in layers}  # its weights serve twice
            shape = output.shape[1:]
            kernel = params["kernel"].shape if "kernel" in params else ()
            # Each output position and feature takes one product per kernel tap and input feature.
            positions = prod(shape[:-1])
            layers.append(
                Layer(
                    path=path,
                    kind=kind,
                    output_shape=tuple(shape),
                    num_params=0 if is_again else _num_params(params),
                    multiply_adds=positions * prod(kernel) if kernel else 0,
                )
            )
        return output

    def init(key: jax.Array) -> Any:
        with nn.intercept_methods(record):
            return model.init(key, jnp.zeros((1, *image_shape)), train=False)

    params = jax.eval_shape(init, jax.random.key(0)).get("params", {})
    known, rest = {layer.path for layer in layers}, Counter[str]()
    for path, leaf in flatten_dict(params).items():
        if (module := "/".join(path[:-1])) not in known:
            rest[module] += prod(leaf.shape)
    return layers + [Layer(path, "other", (), number, 0) for path, number in rest.items()]


def _num_params(params: Any) -> int:
    return sum(prod(leaf.shape) for leaf in jax.tree.leaves(params))


def count_kinds(layers: Sequence[Layer]) -> Counter[str]:
    """Returns how many layers of each kind there are."""
    return Counter(layer.kind for layer in layers)


def layer_table(layers: Sequence[Layer], *, title: str) -> str:
    """Returns the layers as text in columns, with the totals below."""
    rows = [
        [
            layer.path,
            layer.kind,
            " x ".join(map(str, layer.output_shape)),
            f"{layer.num_params:,}",
            f"{layer.multiply_adds:,}",
        ]
        for layer in layers
    ]
    num_params = sum(layer.num_params for layer in layers)
    multiply_adds = sum(layer.multiply_adds for layer in layers)
    table = text_table(
        ["layer", "kind", "output", "parameters", "multiply-adds"],
        rows,
        num_left=2,
        total=["total", "", "", f"{num_params:,}", f"{multiply_adds:,}"],
    )
    kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(count_kinds(layers).items()))
    return "\n".join([title, table, kinds])
