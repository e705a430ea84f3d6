"""A map laid over the picture it is about, for the gallery.

jpeg = overlay(view, heat)

Source of the colours: matplotlib's "inferno", even to the eye and readable without colour.
"""

import matplotlib
import numpy as np
from jaxtyping import Float
from PIL import Image

from wbc_jax.datasets.encoding import encode

_QUALITY = 85  # of the JPEG
_SHARE = 0.6  # of the map in the mixture


def overlay(view: Image.Image, heat: Float[np.ndarray, "h w"]) -> bytes:
    """Returns the picture in gray under the map in colours, as a JPEG of the picture's size.

    Args:
        view: RGB.
        heat: any size; its lowest value becomes black, its highest light yellow.
    """
    span = float(np.ptp(heat))
    level = (heat - heat.min()) / span if span > 0 else np.zeros_like(heat)
    enlarged = enlarge(level, view.size).clip(0, 1)
    colours = matplotlib.colormaps["inferno"](enlarged)[..., :3] * 255
    gray = np.asarray(view.convert("L"), np.float32)[..., None]
    mixture = _SHARE * colours + (1 - _SHARE) * gray
    return encode(Image.fromarray(mixture.astype(np.uint8)), "JPEG", quality=_QUALITY)


def enlarge(heat: Float[np.ndarray, "h w"], size: tuple[int, int]) -> Float[np.ndarray, "r c"]:
    """Returns a map at another size (columns, rows), by bicubic interpolation."""
    image = Image.fromarray(heat.astype(np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))
