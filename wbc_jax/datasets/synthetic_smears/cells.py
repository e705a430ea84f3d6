"""One cell at a time: red cells, platelets, and the four white kinds as a hematologist tells them.

patch = cells.draw_white_cell(rng, "monocyte", scale=1.0, stain=stain)
patch.density, patch.coverage
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from wbc_jax.datasets.synthetic_smears import shapes
from wbc_jax.datasets.synthetic_smears.shapes import Grid, Plane
from wbc_jax.datasets.synthetic_smears.stains import Stain

RED_RADIUS = 24.0  # mean, pixels, at scale 1
# Radius in pixels at scale 1, from and to: the ranges overlap, so size alone tells no kind.
WHITE_RADIUS = {
    "eosinophil": (39.0, 48.0),
    "lymphocyte": (35.0, 42.0),
    "monocyte": (46.0, 57.0),
    "neutrophil": (38.0, 49.0),
}


@dataclass(frozen=True)
class Patch:
    """A drawn cell in a square window around its centre.

    Attributes:
        density: optical density per channel.
        coverage: share of each pixel that belongs to the cell, in [0, 1].
        nucleus: share of each pixel that belongs to its nucleus, in [0, 1].
    """

    density: Float[np.ndarray, "s s 3"]
    coverage: Plane
    nucleus: Plane


@dataclass(frozen=True)
class Nucleus:
    """A nucleus to be stained.

    Attributes:
        distance: signed distance from its outline, pixels.
        clumps: relative variation of its chromatin's density.
        clump_size: radius of the clumps, pixels.
    """

    distance: Plane
    clumps: float
    clump_size: float


def red_cells(
    rng: np.random.Generator, radii: Float[np.ndarray, " n"], shade: float
) -> tuple[Float[np.ndarray, "n s s"], Float[np.ndarray, "n s s"]]:
    """Draws red cells: discs, paler in the middle where they are thinner.

    Args:
        rng: the smear's generator.
        radii: mean radius of each cell, pixels.
        shade: how deep the cells of this smear are stained and how flat, around 1.

    Returns:
        Layers of stain and coverage in [0, 1] of each cell, each in its own window.
    """
    edge = shapes.outlines(rng, radii, (0.09, 0.03, 0.015))
    window = shapes.grid(int(np.ceil(edge.max())) + 2)
    edge = edge[:, window.angle]
    n = len(radii)
    relative = window.radius / edge
    inside = shapes.coverage(window.radius - edge, 1.6)
    pallor = np.clip(rng.normal(0.45, 0.22, (n, 1, 1)), 0.0, 0.85).astype(np.float32)
    reach = rng.uniform(0.32, 0.62, (n, 1, 1)).astype(np.float32)
    thickness = 1.0 - pallor * np.exp(-((relative / reach) ** 4))
    thickness += 0.18 * np.exp(-(((relative - 0.92) / 0.07) ** 2))  # the rim refracts
    depth = shade * rng.uniform(0.8, 1.2, (n, 1, 1)).astype(np.float32)
    return thickness * inside * depth, inside


def draw_platelet(rng: np.random.Generator, scale: float, stain: Stain) -> Patch:
    """Draws a platelet: a small pale disc with purple grains towards its middle."""
    radius = scale * rng.uniform(4.0, 8.5)
    edge = shapes.outlines(rng, np.array([radius]), (0.14, 0.09, 0.05))[0]
    window = shapes.grid(int(np.ceil(edge.max())) + 2)
    inside = shapes.coverage(window.radius - edge[window.angle], 1.8)
    grains = np.clip(1.0 + 0.35 * shapes.clouds(rng, inside.shape, 1.0), 0.3, 1.8)
    depth = inside * grains * (0.35 + 0.75 * np.exp(-((window.radius / (0.7 * radius)) ** 2)))
    density = depth[..., None] * stain["platelet"]
    return Patch(density, inside, np.zeros_like(inside))


def draw_white_cell(rng: np.random.Generator, kind: str, scale: float, stain: Stain) -> Patch:
    """Draws a white cell of the given kind.

    Args:
        rng: the smear's generator.
        kind: one of `WHITE_RADIUS`.
        scale: magnification, 1 for the radii of that table.
        stain: the smear's stain.

    Returns:
        The cell: nucleus over cytoplasm.
    """
    radius = scale * rng.uniform(*WHITE_RADIUS[kind])
    wobble = (0.06, 0.035, 0.02, 0.012) if kind == "monocyte" else (0.045, 0.018, 0.01, 0.006)
    edge = shapes.outlines(rng, np.array([radius]), wobble)[0]
    window = shapes.grid(int(np.ceil(edge.max())) + 3)
    distance = window.radius - edge[window.angle]
    inside = shapes.coverage(distance, 2.0)
    cytoplasm = _CYTOPLASM[kind](rng, window, distance, stain)
    nucleus = _NUCLEUS[kind](rng, window, radius)
    # Inside the cell by a pixel or more: a nucleus never breaks its cell's outline.
    outline = nucleus.distance + 0.9 * shapes.clouds(rng, distance.shape, 5.0)
    core = shapes.coverage(np.maximum(outline, distance + 1.5), 2.2)
    chromatin = 1.0 + nucleus.clumps * shapes.clouds(rng, distance.shape, nucleus.clump_size)
    rim = 1.0 + 0.12 * np.exp(-((outline / 3.0) ** 2))  # chromatin gathers at the membrane
    dark = np.clip(chromatin * rim, 0.45, 1.6)[..., None] * stain[f"{kind}_nucleus"]
    density = cytoplasm * (inside * (1.0 - core))[..., None] + dark * core[..., None]
    return Patch(density.astype(np.float32), inside, core)


def _around(radius: float, angle: float) -> tuple[float, float]:
    return float(radius * np.sin(angle)), float(radius * np.cos(angle))


def _two_lobes(rng: np.random.Generator, window: Grid, radius: float) -> Nucleus:
    first = rng.uniform(0.0, 2 * np.pi)
    parts, centers = [], []
    for angle in (first, first + rng.uniform(2.1, 3.4)):
        center = _around(radius * rng.uniform(0.48, 0.56), angle)
        long = radius * rng.uniform(0.37, 0.45)
        wide = radius * rng.uniform(0.28, 0.35)
        parts.append(
            shapes.ellipse(window, center, (long, wide), angle + np.pi / 2 + rng.normal(0.0, 0.25))
        )
        centers.append(center)
    parts.append(shapes.strand(window, centers[0], centers[1], radius * 0.09))
    return Nucleus(shapes.union(parts, 1.5), 0.10, 2.2)


def _round(rng: np.random.Generator, window: Grid, radius: float) -> Nucleus:
    size = radius * rng.uniform(0.80, 0.91)
    center = _around((0.95 * radius - size) * rng.uniform(0.2, 1.0), rng.uniform(0.0, 2 * np.pi))
    stretch = rng.uniform(0.95, 1.05)
    turn = rng.uniform(0.0, np.pi)
    body = shapes.ellipse(window, center, (size * stretch, size / stretch), turn)
    return Nucleus(body, 0.13, 3.6)


def _kidney(rng: np.random.Generator, window: Grid, radius: float) -> Nucleus:
    angle = rng.uniform(0.0, 2 * np.pi)
    long, wide = radius * rng.uniform(0.74, 0.84), radius * rng.uniform(0.56, 0.66)
    center = _around(radius * rng.uniform(0.06, 0.18), angle)
    body = shapes.ellipse(window, center, (long, wide), angle + np.pi / 2)
    # The hilum: a bay on the side towards the cell's middle.
    bay = wide * rng.uniform(0.45, 0.65)
    at = np.subtract(center, _around(wide * rng.uniform(0.98, 1.12), angle + rng.normal(0, 0.2)))
    notch = shapes.ellipse(window, (at[0], at[1]), (bay, bay), 0.0)
    return Nucleus(-shapes.union([-body, notch], 2.5), 0.11, 1.9)


def _several_lobes(rng: np.random.Generator, window: Grid, radius: float) -> Nucleus:
    lobes = int(rng.integers(3, 6))
    ring = radius * rng.uniform(0.40, 0.50)
    sweep = rng.uniform(0.98, 1.12) * {3: 3.9, 4: 4.5, 5: 4.9}[lobes]
    angles = rng.uniform(0.0, 2 * np.pi) + np.linspace(0.0, sweep, lobes)
    size = radius * {3: 0.285, 4: 0.25, 5: 0.225}[lobes]
    parts, centers = [], []
    for angle in angles + rng.normal(0.0, 0.08, lobes):
        center = _around(ring * rng.uniform(0.88, 1.15), angle)
        stretch = rng.uniform(1.0, 1.25)
        grown = size * rng.uniform(0.88, 1.12)
        turn = angle + np.pi / 2 + rng.normal(0.0, 0.5)
        parts.append(shapes.ellipse(window, center, (grown * stretch, grown / stretch), turn))
        centers.append(center)
    for start, end in itertools.pairwise(centers):
        parts.append(shapes.strand(window, start, end, radius * rng.uniform(0.07, 0.12)))
    return Nucleus(shapes.union(parts, 1.3), 0.11, 2.4)


def _orange_granules(
    rng: np.random.Generator, window: Grid, distance: Plane, stain: Stain
) -> Float[np.ndarray, "s s 3"]:
    depth = shapes.granules(rng, window, spacing=4.6, radius=2.1)
    depth *= shapes.coverage(distance + 2.0, 3.0)
    pale = stain["eosinophil_cytoplasm"]
    return pale + depth[..., None] * (stain["eosinophil_granules"] - 0.4 * pale)


def _thin_blue(
    rng: np.random.Generator, window: Grid, distance: Plane, stain: Stain
) -> Float[np.ndarray, "s s 3"]:
    depth = 1.0 + 0.08 * shapes.clouds(rng, distance.shape, 2.5)
    return depth[..., None] * stain["lymphocyte_cytoplasm"]


def _ground_glass(
    rng: np.random.Generator, window: Grid, distance: Plane, stain: Stain
) -> Float[np.ndarray, "s s 3"]:
    depth = 1.0 + 0.12 * shapes.clouds(rng, distance.shape, 3.5)
    for _ in range(int(rng.integers(0, 9))):  # vacuoles
        center = _around(window.half * rng.uniform(0.2, 0.85), rng.uniform(0.0, 2 * np.pi))
        size = rng.uniform(1.5, 4.0)
        depth -= 0.7 * shapes.coverage(shapes.ellipse(window, center, (size, size), 0.0), 1.8)
    dust = np.clip(shapes.clouds(rng, distance.shape, 0.9) - 1.2, 0.0, 1.0)
    color = np.clip(depth, 0.2, None)[..., None] * stain["monocyte_cytoplasm"]
    return color + 0.5 * dust[..., None] * stain["monocyte_granules"]


def _fine_pink(
    rng: np.random.Generator, window: Grid, distance: Plane, stain: Stain
) -> Float[np.ndarray, "s s 3"]:
    dust = np.clip(shapes.clouds(rng, distance.shape, 0.9) - 0.2, 0.0, 2.0)
    return stain["neutrophil_cytoplasm"] + 0.30 * dust[..., None] * stain["neutrophil_granules"]


_NUCLEUS: dict[str, Callable[[np.random.Generator, Grid, float], Nucleus]] = {
    "eosinophil": _two_lobes,
    "lymphocyte": _round,
    "monocyte": _kidney,
    "neutrophil": _several_lobes,
}
_CYTOPLASM: dict[str, Callable[[np.random.Generator, Grid, Plane, Stain], np.ndarray]] = {
    "eosinophil": _orange_granules,
    "lymphocyte": _thin_blue,
    "monocyte": _ground_glass,
    "neutrophil": _fine_pink,
}
