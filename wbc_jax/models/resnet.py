"""ResNet50 as the paper uses it: the 50-layer network as base, then the shared head."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.core import FrozenDict
from jaxtyping import Array, Float

from wbc_jax.models.head import Head
from wbc_jax.nn import BatchNorm, Conv, MaxPool


class BottleneckBlock(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut, with the stride in the 3x3.

    Source: He et al. (2016), figure 5 right; stride placement as in later implementations (v1.5).

    Attributes:
        features: width of the first two convolutions; the third has four times as many.
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

        def conv_norm(
            x: Float[Array, "b h w c"],
            features: int,
            size: int,
            strides: tuple[int, int] = (1, 1),
            residual: Float[Array, "b oh ow f"] | None = None,
            **norm_fields: Any,
        ) -> Float[Array, "b oh ow f"]:
            x = Conv(features, (size, size), strides, use_bias=False, dtype=self.dtype)(x)
            return BatchNorm(**norm_fields)(x, residual, train=train)

        shortcut = x
        y = conv_norm(x, self.features, 1, relu=True)
        y = conv_norm(y, self.features, 3, strides, relu=True)
        if x.shape != (*y.shape[:-1], 4 * self.features):
            shortcut = conv_norm(x, 4 * self.features, 1, strides)
        # A zero last scale starts every block as the identity (Goyal et al. 2017, section 5.1).
        zeros = nn.initializers.zeros_init()
        return conv_norm(y, 4 * self.features, 1, residual=shortcut, relu=True, scale_init=zeros)


class ResNetBackbone(nn.Module):
    """Stem and stages of bottleneck blocks.

    Attributes:
        stage_sizes: number of blocks in each stage.
        width: channels of the stem and of the first stage's blocks; doubles with each stage.
        dtype: of the computation.
    """

    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b oh ow f"]:
        """Returns the last stage's feature map: 2x2x2048 for a 50x50 image."""
        x = Conv(self.width, (7, 7), (2, 2), use_bias=False, dtype=self.dtype)(image)
        x = BatchNorm(relu=True)(x, train=train)
        x = MaxPool((3, 3), (2, 2))(x)
        for stage, num_blocks in enumerate(self.stage_sizes):
            for block in range(num_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = BottleneckBlock(self.width * 2**stage, stride, dtype=self.dtype)(x, train=train)
        return x


class ResNet(nn.Module):
    """The backbone and the paper's head. ResNet50 is `stage_sizes=(3, 4, 6, 3)`.

    Source: He et al. (2016), table 1; the paper, section III.D.

    Attributes:
        num_classes: outputs.
        stage_sizes: number of blocks in each stage.
        width: channels of the stem; doubles with each stage.
        head: fields of `Head` that differ from its defaults.
        dtype: of the computation.
    """

    num_classes: int
    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    head: Mapping[str, Any] = FrozenDict()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b k"]:
        """Returns logits; with `train`, dropout draws from the rng stream `dropout`."""
        backbone = ResNetBackbone(self.stage_sizes, self.width, self.dtype, name="backbone")
        head = Head(self.num_classes, dtype=self.dtype, name="head", **self.head)
        return head(backbone(image, train=train), train=train)
