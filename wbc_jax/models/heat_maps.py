"""A small encoder-decoder that answers a picture with one map per kind of cell.

model = HeatMapNet(num_classes=3)
logits = model.apply(variables, image)             # [b, h, w, 3] -> [b, h / 4, w / 4, 3]
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from wbc_jax.errors import UserError
from wbc_jax.nn import Conv, Logits, MaxPool, normalize

STRIDE = 4  # pixels of the picture per pixel of a map


class HeatMapNet(nn.Module):
    """Halves the picture stage by stage, then doubles it back to a quarter, with skips.

    The first two stages, at full and at half resolution, are one convolution each; what costs is
    at a quarter and below. On the way up maps are added, not put side by side, which halves the
    products of the convolution that follows. All maps' biases begin at -log(99): most of a picture
    is no cell, and a first loss of it all would swamp the cells (Lin et al. 2017, section 3.3).

    Source: Ronneberger et al. (2015) for the shape, Zhou et al. (2019) for maps as answers.

    Attributes:
        num_classes: kinds of cells, maps.
        stage_features: width at full resolution, at a half, a quarter, ...; three at least.
        stage_sizes: 3x3 convolutions of each stage on the way down.
        num_up: 3x3 convolutions of each stage on the way up.
        norm: as in `wbc_jax.nn.normalize`.
        dtype: of the computation.
    """

    num_classes: int
    stage_features: tuple[int, ...] = (16, 32, 64, 128, 128)
    stage_sizes: tuple[int, ...] = (1, 1, 2, 2, 2)
    num_up: int = 1
    norm: str = "batch"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w 3"], *, train: bool = False
    ) -> Float[Array, "b oh ow k"]:
        """Returns logits: the surer of a cell's centre, the higher.

        Raises:
            UserError: the numbers of stages differ or are too few, or the poolings do not fit the
                picture's sides.
        """
        if len(self.stage_features) != len(self.stage_sizes) or len(self.stage_sizes) < 3:
            raise UserError(
                f"model.stage_features={self.stage_features} and model.stage_sizes="
                f"{self.stage_sizes} must have one entry per stage each, for three stages or more"
            )
        multiple = 2 ** (len(self.stage_sizes) - 1)
        if any(side % multiple for side in image.shape[1:3]):
            raise UserError(
                f"pictures of {image.shape[1]}x{image.shape[2]} pixels: with "
                f"{len(self.stage_sizes)} stages both sides must be multiples of {multiple}"
            )
        x, skips = image, []
        for stage, (features, size) in enumerate(
            zip(self.stage_features, self.stage_sizes, strict=True)
        ):
            for index in range(size):
                is_last = index == size - 1 and stage < len(self.stage_sizes) - 1
                x = Conv(features, (3, 3), use_bias=False, dtype=self.dtype)(x)
                pool = MaxPool() if is_last and stage < 2 else None  # no skip needs these
                x = normalize(x, self.norm, train=train, relu=True, pool=pool)
            if 2 <= stage < len(self.stage_sizes) - 1:
                skips.append(x)
                x = MaxPool()(x)
        for skip in reversed(skips):
            features = skip.shape[-1]
            x = Conv(features, (1, 1), use_bias=False, dtype=self.dtype)(x)
            x = _double(x) + skip
            for _ in range(self.num_up):
                x = Conv(features, (3, 3), use_bias=False, dtype=self.dtype)(x)
                x = normalize(x, self.norm, train=train, relu=True)
        # Logits of float32; nearly nothing is a cell at first.
        maps = Logits(
            self.num_classes,
            dtype=jnp.float32,
            kernel_init=nn.initializers.normal(0.01),
            bias_init=nn.initializers.constant(-jnp.log(99.0)),
            name="logits",
        )
        return maps(x)


def _double(x: Float[Array, "b h w c"]) -> Float[Array, "b oh ow c"]:
    """Returns every pixel as four."""
    batch, height, width, channels = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None], (batch, height, 2, width, 2, channels))
    return x.reshape(batch, 2 * height, 2 * width, channels)
