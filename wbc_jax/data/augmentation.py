"""Augmentation of uint8 images on the device, inside the training step.

policy = Augmentation(mirror=True, rotation=180.0, light=0.2)
images = policy(images, key)
"""

from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from wbc_jax.data import geometry, stain
from wbc_jax.errors import UserError

_AT_MOST = {
    "crop_margin": 2048,  # pixels, no image is larger
    "rotation": 180.0,
    "scale": 0.9,
    "shear": 0.9,
    "light": 0.9,
    "stain": 0.9,
    "cutout": 1.0,
}


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed, each anew at every step.

    Attributes:
        mirror: mirror left to right, each image with probability 1/2.
        flip: the same upside down.
        crop_margin: largest shift, pixels.
        rotation: largest turn to either side, degrees; 180: any.
        scale: largest change of size: a factor from 1 - scale to 1 / (1 - scale).
        shear: largest change of the aspect ratio, as `scale`, along a random direction.
        light: largest change of brightness and of contrast, as a share.
        stain: largest change of each stain's strength, as a share; colour images only.
        cutout: side of a square of the image's mean colour at a random place, as a share of the
            image's side.

    Source: the paper, section III.C, for mirror images and random crops; Tellez et al. (2018) for
    the stains, DeVries and Taylor (2017) for the cut-out.
    """

    mirror: bool = False
    flip: bool = False
    crop_margin: int = 0
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    light: float = 0.0
    stain: float = 0.0
    cutout: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, most = getattr(self, field.name), _AT_MOST.get(field.name, float("inf"))
            if not 0 <= value <= most:
                raise UserError(
                    f"augment.{field.name}={value} must lie between 0 (off) and {most:g}"
                )

    def __call__(
        self, images: UInt8[Array, "b h w c"], key: Key[Array, ""]
    ) -> UInt8[Array, "b h w c"]:
        """Returns the images changed, in the same shape and range."""
        place_key, colour_key, cutout_key = jax.random.split(key, 3)
        if self._moves():
            images = self._move(images, place_key)
        return self._cover(images, colour_key, cutout_key)

    def with_cells(
        self,
        images: UInt8[Array, "b h w c"],
        cells: Float[Array, "b m 5"],
        key: Key[Array, ""],
    ) -> tuple[UInt8[Array, "b h w c"], Float[Array, "b m 5"]]:
        """Returns the images changed, and where their cells are then.

        Everything that moves is one map, applied once, and the same map moves the cells.

        Args:
            images: 0 to 255.
            cells: as in `Examples`.
            key: of the draw.
        """
        place_key, colour_key, cutout_key = jax.random.split(key, 3)
        if self._moves():
            count, height, width = images.shape[:3]
            keys = jax.random.split(place_key, 3)
            linear = geometry.random_linear_maps(
                keys[0], count, rotation=self.rotation, scale=self.scale, shear=self.shear
            )
            flips = jnp.where(jax.random.bernoulli(keys[1], shape=(count, 2)), -1.0, 1.0)
            flips = jnp.where(jnp.array([self.flip, self.mirror]), flips, 1.0)
            margin = float(self.crop_margin)
            shift = jax.random.uniform(keys[2], (count, 2), minval=-margin, maxval=margin)
            linear = linear * flips[:, :, None]
            images = geometry.warp(images, linear, shift)
            cells = geometry.move_cells(cells, linear, shift, (height, width))
        return self._cover(images, colour_key, cutout_key), cells

    def _moves(self) -> bool:
        resampled = self.rotation or self.scale or self.shear
        return bool(self.mirror or self.flip or self.crop_margin or resampled)

    def _move(
        self, images: UInt8[Array, "b h w c"], key: Key[Array, ""]
    ) -> UInt8[Array, "b h w c"]:
        keys = jax.random.split(key, 4)
        count = images.shape[0]
        if self.mirror:
            images = geometry.mirror(images, jax.random.bernoulli(keys[0], shape=(count,)), axis=2)
        if self.flip:
            images = geometry.mirror(images, jax.random.bernoulli(keys[1], shape=(count,)), axis=1)
        if self.rotation or self.scale or self.shear:
            linear = geometry.random_linear_maps(
                keys[2], count, rotation=self.rotation, scale=self.scale, shear=self.shear
            )
            # In the same pass, at no further cost, and not bound to whole pixels.
            margin = float(self.crop_margin)
            shift = jax.random.uniform(keys[3], (count, 2), minval=-margin, maxval=margin)
            return geometry.warp(images, linear, shift)
        if self.crop_margin:
            most = 2 * self.crop_margin + 1
            offsets = jax.random.randint(keys[3], (count, 2), 0, most)
            images = geometry.crop(images, offsets, self.crop_margin)
        return images

    def _cover(
        self,
        images: UInt8[Array, "b h w c"],
        colour_key: Key[Array, ""],
        cutout_key: Key[Array, ""],
    ) -> UInt8[Array, "b h w c"]:
        if self.light or self.stain:
            images = self._recolour(images, colour_key)
        if self.cutout:
            side = max(1, round(self.cutout * images.shape[1]))
            images = geometry.cut_out(images, cutout_key, side)
        return images

    def _recolour(
        self, images: UInt8[Array, "b h w c"], key: Key[Array, ""]
    ) -> UInt8[Array, "b h w c"]:
        stain_key, light_key = jax.random.split(key)
        changed: Float[Array, "b h w c"] = images.astype(jnp.float32) / 255
        if self.stain and images.shape[-1] == 3:
            changed = stain.jitter(changed, stain_key, self.stain)
        if self.light:
            contrast, brightness = jax.random.uniform(
                light_key, (2, len(images), 1, 1, 1), minval=-self.light, maxval=self.light
            )
            mean = changed.mean(axis=(1, 2, 3), keepdims=True)
            changed = (changed - mean) * (1 + contrast) + mean * (1 + brightness)
        return geometry.to_uint8(changed * 255)
