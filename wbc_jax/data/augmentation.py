"""Augmentation of uint8 images on the device, inside the training step.

images = augment(images, key, mirror=True, crop_margin=4)
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int, Key, UInt8


def mirror_images(
    images: UInt8[Array, "b h w c"], flip: Bool[Array, " b"]
) -> UInt8[Array, "b h w c"]:
    """Mirrors left to right those images whose `flip` is true."""
    return jnp.where(flip[:, None, None, None], images[:, :, ::-1], images)


def crop_images(
    images: UInt8[Array, "b h w c"], offsets: Int[Array, "b 2"], margin: int
) -> UInt8[Array, "b h w c"]:
    """Cuts a window of the images' own size out of each, widened by `margin` on every side.

    Args:
        images: 0 to 255.
        offsets: (row, column) of each window's corner, 0 to 2 * margin; margin is no shift.
        margin: pixels added on every side, filled with the edge's colour.

    Returns:
        The windows.
    """
    padded = jnp.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    cut = partial(lax.dynamic_slice, slice_sizes=images.shape[1:])
    return jax.vmap(lambda image, offset: cut(image, (*offset, 0)))(padded, offsets)


def augment(
    images: UInt8[Array, "b h w c"], key: Key[Array, ""], *, mirror: bool, crop_margin: int
) -> UInt8[Array, "b h w c"]:
    """Mirrors half of the images and crops each at random.

    Args:
        images: 0 to 255.
        key: of this batch.
        mirror: whether to mirror, each image with probability 1/2.
        crop_margin: largest shift in pixels; 0 leaves the images where they are.

    Returns:
        The augmented images, same shape and range.

    Source: the paper, section III.C ("mirror image", "cropping ... at random").
    """
    flip_key, crop_key = jax.random.split(key)
    batch_size = images.shape[0]
    if mirror:
        images = mirror_images(images, jax.random.bernoulli(flip_key, shape=(batch_size,)))
    if crop_margin:
        offsets = jax.random.randint(crop_key, (batch_size, 2), 0, 2 * crop_margin + 1)
        images = crop_images(images, offsets, crop_margin)
    return images
