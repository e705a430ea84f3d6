"""VGG19 as the paper uses it: the 19-layer network as base, then the shared head."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.core import FrozenDict
from jaxtyping import Array, Float

from wbc_jax.errors import UserError
from wbc_jax.models.head import Head
from wbc_jax.nn import Conv, Dense, MaxPool


class VGGBackbone(nn.Module):
    """Stages of 3x3 convolutions, each closed by a pooling.

    Attributes:
        stage_sizes: number of convolutions in each stage; (2, 2, 4, 4, 4) is VGG19.
        stage_features: their width in each stage.
        dtype: of the computation.
    """

    stage_sizes: tuple[int, ...] = (2, 2, 4, 4, 4)
    stage_features: tuple[int, ...] = (64, 128, 256, 512, 512)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: Float[Array, "b h w c"]) -> Float[Array, "b oh ow f"]:
        """Returns the last stage's feature map: 1x1x512 for a 50x50 image.

        Raises:
            UserError: the poolings would leave nothing of the image.
        """
        smallest = 2 ** len(self.stage_sizes)
        if min(image.shape[1:3]) < smallest:
            raise UserError(
                f"an image of {image.shape[1]}x{image.shape[2]} pixels is too small for the "
                f"{len(self.stage_sizes)} poolings of this network; data.image_size must be at "
                f"least {smallest}, or model.stage_sizes shorter"
            )
        x = image
        for num_convs, features in zip(self.stage_sizes, self.stage_features, strict=True):
            for _ in range(num_convs):
                x = nn.relu(Conv(features, (3, 3), dtype=self.dtype)(x))
            # VALID, as published: 50 -> 25 -> 12 -> 6 -> 3 -> 1.
            x = MaxPool(padding="VALID")(x)
        return x


class VGG(nn.Module):
    """The backbone with its dense layers, and the paper's head.

    The dense layers of the base act on every position of its last map, which for 50x50 images has
    only one; so the head's convolutions can follow, as the paper describes.
    Source: Simonyan and Zisserman (2015), table 1 column E; the paper, section III.E.

    Attributes:
        num_classes: outputs.
        stage_sizes: number of convolutions in each stage; (2, 2, 4, 4, 4) is VGG19.
        stage_features: their width in each stage.
        dense_features: width of each of the base's dense layers. Theirs were 4096, 4096 and 1000
            for 1000 classes at 224 pixels; these widths are ours.
        head: fields of `Head` that differ from its defaults.
        dtype: of the computation.
    """

    num_classes: int
    stage_sizes: tuple[int, ...] = (2, 2, 4, 4, 4)
    stage_features: tuple[int, ...] = (64, 128, 256, 512, 512)
    dense_features: tuple[int, ...] = (512, 512, 512)
    head: Mapping[str, Any] = FrozenDict()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b k"]:
        """Returns logits; with `train`, dropout draws from the rng stream `dropout`.

        Raises:
            UserError: `stage_sizes` and `stage_features` differ in length.
        """
        if len(self.stage_sizes) != len(self.stage_features):
            raise UserError(
                f"stage_sizes={self.stage_sizes} and stage_features={self.stage_features} must "
                "have one entry per stage each; give both the same length"
            )
        backbone = VGGBackbone(self.stage_sizes, self.stage_features, self.dtype, name="backbone")
        x = backbone(image)
        for features in self.dense_features:
            x = nn.relu(Dense(features, dtype=self.dtype)(x))
        head = Head(self.num_classes, dtype=self.dtype, name="head", **self.head)
        return head(x, train=train)
