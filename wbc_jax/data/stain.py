"""Varies how strongly each stain has taken, on the device.

images = jitter(images, key, 0.1)                 # [b, h, w, 3] in [0, 1]

Light is absorbed exponentially, so stains add up in optical density; there the amount of each is a
linear function of the colour. The three directions are those published for haematoxylin, eosin and
a third dye (Ruifrok and Johnston 2001). The blood smears here are stained with azure and eosin;
as axes along which laboratories differ they serve all the same.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

# Optical density in red, green and blue of a unit of each stain.
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float32)
_STAINS /= np.linalg.norm(_STAINS, axis=1, keepdims=True)
_UNMIX = np.linalg.inv(_STAINS)
_DARKEST = 1 / 255  # the density of black is not finite


def jitter(
    images: Float[Array, "b h w 3"], key: Key[Array, ""], most: float
) -> Float[Array, "b h w 3"]:
    """Multiplies each stain's density by a factor of each image's own, and adds a little of it.

    Args:
        images: RGB, 0 to 1.
        key: of the draw.
        most: factors lie in [1 - most, 1 + most]; what is added in [-most / 4, most / 4], in units
            of optical density (natural logarithm).

    Returns:
        The images in other stains; values may exceed 1 slightly.

    Source: Tellez et al. (2018), section III.B.
    """
    factor_key, addend_key = jax.random.split(key)
    shape = (len(images), 1, 1, 3)
    factor = 1 + jax.random.uniform(factor_key, shape, minval=-most, maxval=most)
    addend = jax.random.uniform(addend_key, shape, minval=-most / 4, maxval=most / 4)
    density = -jnp.log(jnp.maximum(images, _DARKEST))
    amounts = density @ _UNMIX
    changed = jnp.exp(-(amounts * factor + addend) @ _STAINS)
    # The copies' black fill is no stain: it stays black.
    return jnp.where(images.max(axis=-1, keepdims=True) > 2 * _DARKEST, changed, images)
