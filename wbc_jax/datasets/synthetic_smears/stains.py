"""What the stain and the lamp do to a smear: colours as densities, and how one smear's differ.

    stain = stains.vary_stain(rng)
    picture = stains.photograph(density, stains.vary_light(rng), rng)

A stained cell absorbs: light that passes one layer is multiplied by its transmittance, so the
densities (minus the logarithms) of layers add. Overlapping red cells darken by themselves, and a
stronger stain is one factor.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageFilter

Density = Float[np.ndarray, "3"]
Stain = Mapping[str, Density]

# Light left after one layer of each material, (red, green, blue) in (0, 1]: chosen by eye so that
# the drawings look like Wright-Giemsa.
TRANSMITTANCE = {
    "red_cell": (0.93, 0.76, 0.75),
    "platelet": (0.62, 0.50, 0.80),
    "eosinophil_nucleus": (0.42, 0.25, 0.74),
    "eosinophil_cytoplasm": (0.93, 0.68, 0.70),
    "eosinophil_granules": (0.87, 0.43, 0.40),
    "lymphocyte_nucleus": (0.37, 0.22, 0.70),
    "lymphocyte_cytoplasm": (0.58, 0.66, 0.88),
    "monocyte_nucleus": (0.65, 0.49, 0.86),
    "monocyte_cytoplasm": (0.79, 0.81, 0.89),
    "monocyte_granules": (0.80, 0.55, 0.75),
    "neutrophil_nucleus": (0.44, 0.27, 0.76),
    "neutrophil_cytoplasm": (0.95, 0.82, 0.88),
    "neutrophil_granules": (0.84, 0.58, 0.74),
}


def vary_stain(rng: np.random.Generator) -> Stain:
    """Draws one smear's stain.

    Args:
        rng: the smear's generator.

    Returns:
        Density of one layer of each material: the table's, times a strength of the whole smear,
        a tint per channel and a deviation per material.
    """
    strength = rng.uniform(0.84, 1.18)
    tint = np.exp(rng.normal(0.0, 0.05, 3))
    return {
        name: (-np.log(light) * strength * tint * np.exp(rng.normal(0.0, 0.05))).astype(np.float32)
        for name, light in TRANSMITTANCE.items()
    }


@dataclass(frozen=True)
class Light:
    """Lamp and camera of one smear.

    Attributes:
        color: brightness of the empty slide per channel, in [0, 1].
        slope: relative change of brightness from the centre to the edge, (down, right).
        vignette: share of brightness lost in the corners.
        blur: standard deviation of the focus blur, pixels.
        noise: standard deviation of the sensor noise, 8-bit levels.
    """

    color: tuple[float, float, float]
    slope: tuple[float, float]
    vignette: float
    blur: float
    noise: float


def vary_light(rng: np.random.Generator) -> Light:
    """Draws one smear's lamp and camera from `rng`."""
    red, green, blue = np.clip(
        rng.uniform(0.78, 0.92) * np.exp(rng.normal((0.0, 0.0, -0.03), 0.02)), 0.0, 0.97
    )
    down, right = rng.uniform(-0.07, 0.07, 2)
    return Light(
        color=(float(red), float(green), float(blue)),
        slope=(float(down), float(right)),
        vignette=float(rng.uniform(0.0, 0.14)),
        blur=float(rng.uniform(0.3, 1.0)),
        noise=float(rng.uniform(1.0, 3.5)),
    )


def photograph(
    density: Float[np.ndarray, "h w 3"], light: Light, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Turns densities into the camera's picture.

    Args:
        density: summed density of everything on the slide, 0 where it is empty.
        light: lamp and camera.
        rng: source of the sensor noise.

    Returns:
        8-bit RGB in [0, 255].
    """
    height, width = density.shape[:2]
    down = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    right = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    lamp = 1.0 + light.slope[0] * down + light.slope[1] * right
    lamp -= light.vignette * (down**2 + right**2) / 2.0
    bright = np.exp(-density)
    bright *= lamp[..., None] * (255.0 * np.asarray(light.color, np.float32))
    # PIL's blur works on bytes: three times as fast as a float filter, and the noise that comes
    # after it hides the rounding.
    sharp = Image.fromarray(np.clip(bright, 0.0, 255.0).astype(np.uint8))
    picture = np.asarray(sharp.filter(ImageFilter.GaussianBlur(light.blur)), np.float32)
    grain = rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(picture + light.noise * grain + 0.5, 0.0, 255.0).astype(np.uint8)
