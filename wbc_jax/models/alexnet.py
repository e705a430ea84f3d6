"""AlexNet for 50x50 images: five convolutions, three poolings, two normalizations, two dense."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.errors import UserError
from wbc_jax.nn import Conv, Dense, Logits, MaxPool, normalize


class AlexNet(nn.Module):
    """Krizhevsky's network with its first kernels scaled to 50x50 input.

    Source: Krizhevsky, Sutskever and Hinton (2012), section 3; the paper, section III.C, for the
    number of layers. The 11x11 kernel of stride 4 was made for 224 pixels, 5x5 of stride 1 sees the
    same share of a 50-pixel image. Poolings are 2x2 instead of overlapping 3x3, widths a third.

    Attributes:
        num_classes: outputs.
        conv_features: width of each convolution; its length is their number.
        kernel_sizes: side of each convolution's kernel, pixels.
        first_stride: stride of the first convolution, pixels.
        pool_after: indices of the convolutions that a 2x2 max-pooling follows.
        norm_after: indices of the convolutions that a normalization follows.
        dense_features: width of each fully connected layer before the softmax layer.
        dropout_rate: share of units dropped after each fully connected layer in training.
        norm: "batch", "group", "layer" or "local_response"; the paper says "normalized layers".
        dtype: of the computation.
    """

    num_classes: int
    conv_features: tuple[int, ...] = (32, 96, 128, 128, 96)
    kernel_sizes: tuple[int, ...] = (5, 5, 3, 3, 3)
    first_stride: int = 1
    pool_after: tuple[int, ...] = (0, 1, 4)
    norm_after: tuple[int, ...] = (0, 1)
    dense_features: tuple[int, ...] = (512, 512)
    dropout_rate: float = 0.0
    norm: str = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b k"]:
        """Returns logits; with `train`, dropout draws from the rng stream `dropout`.

        Raises:
            UserError: `conv_features` and `kernel_sizes` differ in length, or a pooling or
                normalization follows a convolution that is not there.
        """
        if len(self.conv_features) != len(self.kernel_sizes):
            raise UserError(
                f"conv_features={self.conv_features} and kernel_sizes={self.kernel_sizes} must "
                "have one entry per convolution each; give both the same length"
            )
        for field in ("pool_after", "norm_after"):
            if max(getattr(self, field), default=-1) >= len(self.conv_features):
                raise UserError(
                    f"{field}={getattr(self, field)} must name convolutions 0 to "
                    f"{len(self.conv_features) - 1}, of which conv_features has "
                    f"{len(self.conv_features)}"
                )
        x = image
        layers = zip(self.conv_features, self.kernel_sizes, strict=True)
        for index, (features, size) in enumerate(layers):
            stride = self.first_stride if index == 0 else 1
            x = Conv(features, (size, size), (stride, stride), dtype=self.dtype)(x)
            pool = MaxPool() if index in self.pool_after else None
            if index in self.norm_after:
                x = normalize(x, self.norm, train=train, relu=True, pool=pool)
            else:
                x = nn.relu(x)
                x = x if pool is None else pool(x)
        x = x.reshape(x.shape[0], -1)
        for features in self.dense_features:
            x = nn.relu(Dense(features, dtype=self.dtype)(x))
            if self.dropout_rate:
                x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return Logits(self.num_classes, dtype=jnp.float32, name="logits")(x)
