"""The head the paper puts on ResNet50 and VGG19: convolutions, poolings, norms, dense, softmax."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.nn import Conv, Dense, Logits, MaxPool, normalize


class Head(nn.Module):
    """Blocks of convolution, normalization, ReLU and pooling, then dense layers.

    The base has already reduced a 50x50 image to 2x2 (ResNet50) or 1x1 (VGG19), so the poolings
    pad (SAME) and end at 1x1. Source: the paper, sections III.D and III.E, for the number of
    layers; their order and widths are ours.

    Attributes:
        num_classes: outputs.
        conv_features: width of each 3x3 convolution; its length is their number.
        num_norms: the first so many convolutions have a normalization; all, where there are fewer.
        num_pools: 2x2 max-poolings: one after each convolution, what is left at the end.
        dense_features: width of each fully connected layer before the softmax layer.
        dropout_rate: share of units dropped before the softmax layer in training. For ResNet50
            this is our reading of the paper's "one additional layer".
        norm: "batch", "group", "layer" or "local_response". On a 1x1 map a
            channel has as few values as the batch has images, so batch norm's running statistics
            are noisy; yet without it VGG19 does not begin to learn in two epochs.
        dtype: of the computation.
    """

    num_classes: int
    conv_features: tuple[int, ...] = (256, 256)
    num_norms: int = 2
    num_pools: int = 3
    dense_features: tuple[int, ...] = (256,)
    dropout_rate: float = 0.0
    norm: str = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, feature_map: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b k"]:
        """Returns logits; with `train`, dropout draws from the rng stream `dropout`."""
        x = feature_map
        for index, features in enumerate(self.conv_features):
            x = Conv(features, (3, 3), dtype=self.dtype)(x)
            pool = MaxPool() if index < self.num_pools else None
            if index < self.num_norms:
                x = normalize(x, self.norm, train=train, relu=True, pool=pool)
            else:
                x = nn.relu(x)
                x = x if pool is None else pool(x)
        for _ in range(len(self.conv_features), self.num_pools):
            x = MaxPool()(x)
        x = x.reshape(x.shape[0], -1)
        for features in self.dense_features:
            x = nn.relu(Dense(features, dtype=self.dtype)(x))
        if self.dropout_rate:
            x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return Logits(self.num_classes, dtype=jnp.float32, name="logits")(x)
