"""The study's plain CNN: three convolutions, three poolings, two normalizations, one dense."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.nn import Conv, Dense, Logits, MaxPool, normalize


class CNN(nn.Module):
    """Blocks of convolution, (normalization,) ReLU and pooling, then dense layers.

    Source: the paper, section III.B, for the number of layers; widths and 3x3 kernels are ours.

    Attributes:
        num_classes: outputs.
        conv_features: width of each 3x3 convolution; its length is their number.
        num_norms: the first so many blocks have a normalization; all, where there are fewer.
        num_pools: the first so many blocks end in a 2x2 max-pooling; all, where there are fewer.
        dense_features: width of each fully connected layer before the softmax layer.
        dropout_rate: share of units dropped before the softmax layer in training.
        norm: "batch", "layer" or "local_response".
        dtype: of the computation.
    """

    num_classes: int
    conv_features: tuple[int, ...] = (32, 64, 128)
    num_norms: int = 2
    num_pools: int = 3
    dense_features: tuple[int, ...] = (128,)
    dropout_rate: float = 0.25
    norm: str = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b k"]:
        """Returns logits; with `train`, dropout draws from the rng stream `dropout`."""
        x = image
        for index, features in enumerate(self.conv_features):
            x = Conv(features, (3, 3), dtype=self.dtype)(x)
            if index < self.num_norms:
                x = normalize(x, self.norm, train=train, dtype=self.dtype)
            x = nn.relu(x)
            if index < self.num_pools:
                x = MaxPool()(x)
        x = x.reshape(x.shape[0], -1)
        for features in self.dense_features:
            x = nn.relu(Dense(features, dtype=self.dtype)(x))
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return Logits(self.num_classes, dtype=jnp.float32, name="logits")(x)
