"""A compact residual network that is made for 50x50 images; not of the study."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.errors import UserError
from wbc_jax.nn import BatchNorm, Conv, Logits


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, with the stride in the first.

    Source: He et al. (2016), figure 5 left.

    Attributes:
        features: width of both convolutions.
        stride: of the block, pixels.
        dtype: of the computation.
    """

    features: int
    stride: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b oh ow f"]:
        """Returns the block's output; a 1x1 projection makes the shortcut fit where needed."""
        strides = (self.stride, self.stride)
        y = Conv(self.features, (3, 3), strides, use_bias=False, dtype=self.dtype)(x)
        y = BatchNorm(relu=True)(y, train=train)
        y = Conv(self.features, (3, 3), use_bias=False, dtype=self.dtype)(y)
        shortcut = x
        if x.shape != y.shape:
            shortcut = Conv(self.features, (1, 1), strides, use_bias=False, dtype=self.dtype)(x)
            shortcut = BatchNorm()(shortcut, train=train)
        # A zero last scale starts every block as the identity (Goyal et al. 2017, section 5.1).
        norm = BatchNorm(relu=True, scale_init=nn.initializers.zeros_init())
        return norm(y, shortcut, train=train)


class SmallResNet(nn.Module):
    """A 3x3 stem, stages of basic blocks, the mean over the last map, softmax.

    Source: He et al. (2016), section 4.2, where images are of 32x32 pixels: no 7x7 kernel and no
    pooling before the first block, three stages, no dense layers. Widths are twice theirs and the
    stem has a stride of 2, for 50 pixels: maps of 25x25, 13x13 and 7x7.

    Attributes:
        num_classes: outputs.
        stage_sizes: number of blocks in each stage.
        stage_features: their width in each stage.
        stem_stride: of the first convolution, pixels.
        dropout_rate: share of the last map's means dropped in training.
        dtype: of the computation.
    """

    num_classes: int
    stage_sizes: tuple[int, ...] = (2, 2, 2)
    stage_features: tuple[int, ...] = (32, 64, 128)
    stem_stride: int = 2
    dropout_rate: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b k"]:
        """Returns logits; with `train`, dropout draws from the rng stream `dropout`.

        Raises:
            UserError: `stage_sizes` and `stage_features` differ in length, or there is no stage.
        """
        if not self.stage_sizes or len(self.stage_sizes) != len(self.stage_features):
            raise UserError(
                f"stage_sizes={self.stage_sizes} and stage_features={self.stage_features} must "
                "have one entry per stage each, and at least one; give both the same length"
            )
        strides = (self.stem_stride, self.stem_stride)
        x = Conv(self.stage_features[0], (3, 3), strides, use_bias=False, dtype=self.dtype)(image)
        x = BatchNorm(relu=True)(x, train=train)
        stages = zip(self.stage_sizes, self.stage_features, strict=True)
        for stage, (num_blocks, features) in enumerate(stages):
            for block in range(num_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = BasicBlock(features, stride, dtype=self.dtype)(x, train=train)
        x = x.mean(axis=(1, 2))
        if self.dropout_rate:
            x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return Logits(self.num_classes, dtype=jnp.float32, name="logits")(x)
