"""The study's plain CNN: three convolutions, three poolings, two normalizations, one dense."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.errors import UserError
from wbc_jax.nn import Conv, Dense, Logits, MaxPool, normalize


class CNN(nn.Module):
    """Blocks of convolution, (normalization,) ReLU and pooling, then dense layers.

    Source: the paper, section III.B, for the number of layers; widths and 3x3 kernels are ours.

    Attributes:
        num_classes: outputs.
        conv_features: width of each 3x3 convolution; its length is their number.
        num_norms: normalizations, one in each of the first blocks.
        num_pools: 2x2 max-poolings, one at the end of each of the first blocks.
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
        """Returns logits; with `train`, dropout draws from the rng stream `dropout`.

        Raises:
            UserError: there are fewer convolutions than normalizations or poolings.
        """
        if max(self.num_norms, self.num_pools) > len(self.conv_features):
            raise UserError(
                f"num_norms={self.num_norms} and num_pools={self.num_pools} must be at most the "
                f"{len(self.conv_features)} convolutions of conv_features={self.conv_features}"
            )
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
