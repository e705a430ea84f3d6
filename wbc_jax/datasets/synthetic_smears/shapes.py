"""Geometry of the drawings: outlines, smooth unions, coverage and textures.

Distances are signed, in pixels, negative inside; `coverage` turns one into an anti-aliased mask.
All arrays are float32: half the time of float64, and nobody can see the difference.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

Plane = Float[np.ndarray, "s s"]

ANGLES = 256  # outlines are tabulated at so many angles: 0.6 px apart at a radius of 25 px


@dataclass(frozen=True)
class Grid:
    """A square window of pixels around a centre.

    Attributes:
        half: the window reaches so many pixels to each side; it is 2 * half + 1 wide.
        down: row offset from the centre, pixels.
        right: column offset from the centre, pixels.
        radius: distance from the centre, pixels.
        angle: index of the direction in a table of `ANGLES` entries.
    """

    half: int
    down: Plane
    right: Plane
    radius: Plane
    angle: Int[np.ndarray, "s s"]


@lru_cache(maxsize=128)
def grid(half: int) -> Grid:
    """Returns the window of `half` pixels to each side: shared by all cells, hence read-only."""
    down, right = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    turns = np.arctan2(down, right) / (2 * np.pi)
    angle = (turns * ANGLES).astype(np.intp) % ANGLES
    radius = np.hypot(down, right)
    for shared in (down, right, radius, angle):
        shared.flags.writeable = False
    return Grid(half, down, right, radius, angle)


def outlines(
    rng: np.random.Generator, radii: Float[np.ndarray, " n"], wobble: tuple[float, ...]
) -> Float[np.ndarray, "n angles"]:
    """Draws closed, slightly irregular outlines as radius over direction.

    Args:
        rng: the smear's generator.
        radii: mean radius of each outline, pixels.
        wobble: standard deviation of the relative amplitude of the 2nd, 3rd, ... harmonic; the
            2nd makes ellipses, the higher ones dents.

    Returns:
        Radius of each outline at `ANGLES` directions, pixels.
    """
    theta = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    order = np.arange(2, 2 + len(wobble))
    amplitude = np.clip(rng.standard_normal((len(radii), len(wobble))), -2.0, 2.0) * wobble
    phase = rng.uniform(0.0, 2 * np.pi, amplitude.shape)
    waves = np.cos(order[:, None] * theta + phase[..., None])
    relative = 1.0 + np.einsum("nk,nka->na", amplitude, waves)
    return (radii[:, None] * relative).astype(np.float32)


def coverage(
    distance: Float[np.ndarray, "*n s s"], softness: float = 1.2
) -> Float[np.ndarray, "*n s s"]:
    """Share of each pixel inside an outline, in [0, 1].

    Args:
        distance: signed distance from the outline, pixels.
        softness: width of the ramp from outside to inside, pixels; 1 is plain anti-aliasing.
    """
    return np.clip(0.5 - distance / softness, 0.0, 1.0)


def ellipse(
    window: Grid, center: tuple[float, float], axes: tuple[float, float], turn: float
) -> Plane:
    """Approximate signed distance from an ellipse.

    Args:
        window: the pixels.
        center: (down, right) of its centre, pixels from the window's.
        axes: half axes, pixels.
        turn: direction of the first axis, radians from rightwards to downwards.
    """
    down, right = window.down - center[0], window.right - center[1]
    along = (right * np.cos(turn) + down * np.sin(turn)) / axes[0]
    across = (down * np.cos(turn) - right * np.sin(turn)) / axes[1]
    # Exact on a circle; near the outline of a mild ellipse the error is far below a pixel.
    return ((np.hypot(along, across) - 1.0) * np.float32(np.sqrt(axes[0] * axes[1]))).astype(
        np.float32
    )


def strand(
    window: Grid, start: tuple[float, float], end: tuple[float, float], thickness: float
) -> Plane:
    """Signed distance from a straight strand of `thickness` pixels between two (down, right)."""
    run = np.subtract(end, start)
    down, right = window.down - start[0], window.right - start[1]
    along = np.clip((down * run[0] + right * run[1]) / max(float(run @ run), 1e-6), 0.0, 1.0)
    gap = np.hypot(down - along * run[0], right - along * run[1])
    return (gap - thickness / 2.0).astype(np.float32)


def union(distances: list[Plane], blend: float) -> Plane:
    """Signed distance from the union, with the joints rounded over about `blend` pixels."""
    total = np.zeros_like(distances[0])
    for distance in distances:
        # Far outside, exp would underflow to 0 and the logarithm become infinite.
        total += np.exp(-np.clip(distance / blend, -60.0, 60.0))
    return -blend * np.log(total)


def clouds(
    rng: np.random.Generator, shape: tuple[int, int], scale: float
) -> Float[np.ndarray, "h w"]:
    """Smooth noise of mean 0 and deviation 1 whose blobs are about `scale` pixels in radius."""
    noise = ndimage.gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32), scale, mode="wrap", truncate=3.0
    )
    return (noise - noise.mean()) / max(float(noise.std()), 1e-6)


def granules(rng: np.random.Generator, window: Grid, spacing: float, radius: float) -> Plane:
    """Draws densely packed round granules over the whole window.

    One granule stands somewhere in each square of `spacing` pixels.

    Args:
        rng: the smear's generator.
        window: the pixels.
        spacing: mean distance of neighbouring granules, pixels.
        radius: mean radius of a granule, pixels.

    Returns:
        Depth of colour in [0, 1.3]: 0 between granules, each granule with a shade of its own.
    """
    squares = int(np.ceil((2 * window.half + 1) / spacing)) + 2
    place = rng.uniform(0.1, 0.9, (2, squares, squares)).astype(np.float32)
    size = (radius * rng.uniform(0.75, 1.2, (squares, squares))).astype(np.float32)
    shade = rng.uniform(0.7, 1.3, (squares, squares)).astype(np.float32)
    down, right = (window.down + window.half) / spacing, (window.right + window.half) / spacing
    row, column = down.astype(np.intp), right.astype(np.intp)
    depth = np.zeros_like(down)
    for i in (0, 1, 2):  # the pixel's own square and its neighbours, in a table padded by one
        for j in (0, 1, 2):
            at = (row + i, column + j)
            gap = np.hypot(
                down - (row + i - 1) - place[0][at], right - (column + j - 1) - place[1][at]
            )
            np.maximum(depth, coverage(gap * spacing - size[at], 1.6) * shade[at], out=depth)
    return depth
