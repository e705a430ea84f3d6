"""From uint8 images to standardised network input, on the device.

statistics = band_statistics(train_images, "nonlinear")
x = standardise(expand_bands(images, "nonlinear"), statistics)
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from wbc_jax.data.band_names import BANDS
from wbc_jax.data.band_names import is_gray as is_gray

_IMAGES_AT_A_TIME = 1024


class BandStatistics(NamedTuple):
    """Mean and standard deviation of each band over the training part, in units of [0, 1]."""

    mean: Float[np.ndarray, "3"]
    deviation: Float[np.ndarray, "3"]


def expand_bands(
    image: UInt8[Array, "*b c"] | UInt8[np.ndarray, "*b c"], bands: str
) -> Float[Array, "*b 3"]:
    """Makes three bands in [0, 1].

    Args:
        image: gray (c = 1) for "nonlinear" and "repeat", colour (c = 3) for "rgb"; 0 to 255.
        bands: "nonlinear" is (g, g^2, sqrt g), the band expansion known from multispectral
            imaging and our reading of the paper's "dimension expansion ... in a non-linear
            fashion"; "repeat" is (g, g, g); "rgb" leaves the colours.

    Returns:
        The bands, 0 to 1.

    Raises:
        ValueError: `bands` is not known.

    Source: the paper, section III.A.
    """
    x = jnp.asarray(image, jnp.float32) / 255
    match bands:
        case "nonlinear":
            return jnp.concatenate([x, jnp.square(x), jnp.sqrt(x)], axis=-1)
        case "repeat":
            return jnp.concatenate([x, x, x], axis=-1)
        case "rgb":
            return x
    raise ValueError(f"data.bands={bands!r} is not known; choose one of {', '.join(BANDS)}")


def band_statistics(images: UInt8[np.ndarray, "n h w c"], bands: str) -> BandStatistics:
    """Mean and deviation of each band over `images`, exactly.

    A uint8 image has only 256 values, so they are counted instead of expanding every image.

    Args:
        images: the training part, at least one image; 0 to 255.
        bands: as in `expand_bands`.

    Returns:
        Statistics in units of [0, 1]; a band that never varies has deviation 1.
    """
    values = np.arange(256, dtype=np.uint8)
    channels = images.shape[-1]
    counts = np.zeros((channels, 256))
    for some in np.array_split(images, -(-len(images) // _IMAGES_AT_A_TIME)):
        for c in range(channels):  # bincount takes eight bytes a value
            counts[c] += np.bincount(some[..., c].ravel(), minlength=256)
    expanded = np.asarray(
        expand_bands(np.repeat(values[:, None], channels, axis=1), bands), np.float64
    )
    weights = (counts / counts.sum(axis=1, keepdims=True)).T
    mean = (weights * expanded).sum(axis=0)
    deviation = np.sqrt((weights * np.square(expanded - mean)).sum(axis=0))
    deviation = np.where(deviation > 0, deviation, 1.0)
    return BandStatistics(mean.astype(np.float32), deviation.astype(np.float32))


def standardise(bands: Float[Array, "*b 3"], statistics: BandStatistics) -> Float[Array, "*b 3"]:
    """Returns (bands - mean) / deviation."""
    return (bands - statistics.mean) / statistics.deviation


def make_to_input(
    bands: str, statistics: BandStatistics
) -> Callable[[UInt8[Array, "b h w c"]], Float[Array, "b h w 3"]]:
    """Returns what makes the network's input of uint8 images."""
    return lambda image: standardise(expand_bands(image, bands), statistics)
