"""A whole smear: where the cells lie, which is on top, and the picture of it.

smear = drawing.draw_smear(np.random.default_rng([2024, 0, 12]), "monocyte")
smear.picture, smear.instances, smear.kinds
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from wbc_jax.datasets.synthetic_smears import cells, shapes, stains
from wbc_jax.datasets.synthetic_smears.cells import Patch

HEIGHT, WIDTH = 240, 320
MARGIN = 80  # the canvas reaches so far beyond the picture: whole windows fit, edges cut cells


@dataclass(frozen=True)
class Smear:
    """A drawn smear.

    Attributes:
        picture: 8-bit RGB.
        instances: 0 on empty slide, else 1 + index of the topmost cell.
        kinds: kind of each cell by index.
        white: index of the white cell.
        white_center: its (row, column), pixels.
    """

    picture: UInt8[np.ndarray, "240 320 3"]
    instances: UInt8[np.ndarray, "240 320"]
    kinds: tuple[str, ...]
    white: int
    white_center: tuple[int, int]


class _Canvas:
    """Densities and owners while a smear is drawn, with a margin on all sides."""

    def __init__(self) -> None:
        shape = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN)
        self.red = np.zeros(shape, np.float32)
        self.density = np.zeros((*shape, 3), np.float32)
        self.owner = np.zeros(shape, np.uint8)  # a smear has about 60 cells, far below 255
        self.kinds: list[str] = []

    def claim(self, kind: str, center: tuple[int, int], coverage: shapes.Plane) -> None:
        """Makes a new cell the topmost wherever it covers more than half of a pixel."""
        self.kinds.append(kind)
        self.owner[self.window(center, len(coverage))][coverage > 0.5] = len(self.kinds)

    def window(self, center: tuple[int, int], side: int) -> tuple[slice, slice]:
        """Slices of the square of `side` pixels around `center` of the picture."""
        top, left = (c + MARGIN - side // 2 for c in center)
        return slice(top, top + side), slice(left, left + side)

    def lay(self, kind: str, center: tuple[int, int], patch: Patch, *, hides: float) -> None:
        """Lays a cell over what is there, of which it hides a share of `hides` in [0, 1]."""
        window = self.window(center, len(patch.coverage))
        through = 1.0 - hides * patch.coverage
        self.red[window] *= through
        self.density[window] *= through[..., None]
        self.density[window] += patch.density
        self.claim(kind, center, patch.coverage)


def draw_smear(rng: np.random.Generator, kind: str) -> Smear:
    """Draws a smear with exactly one white cell.

    Args:
        rng: all that is random about the smear.
        kind: kind of the white cell.

    Returns:
        The picture and what is in it.
    """
    stain = stains.vary_stain(rng)
    scale = rng.uniform(0.92, 1.08)
    white = cells.draw_white_cell(rng, kind, scale, stain)
    # The largest circle around the white cell may leave the picture by a few pixels only.
    reach = float(len(white.coverage) // 2 - 8)
    # Anywhere in view, more often towards the middle: whoever photographs aims at the cell.
    row, column = reach + rng.beta(6.0, 6.0, 2) * (HEIGHT - 2 * reach, WIDTH - 2 * reach)
    center = (int(row), int(column))
    canvas = _Canvas()
    _lay_red_cells(rng, canvas, scale, clear_of=(center, reach))
    for _ in range(int(rng.integers(2, 9))):
        platelet = cells.draw_platelet(rng, scale, stain)
        place = (int(rng.integers(0, HEIGHT)), int(rng.integers(0, WIDTH)))
        canvas.lay("platelet", place, platelet, hides=0.4)
    # Where red cells overlap, light finds its way round: less than the sum is absorbed.
    np.tanh(canvas.red / 1.9, out=canvas.red)
    canvas.red *= 1.9
    canvas.lay(kind, center, white, hides=0.9)

    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    density = canvas.density[inner] + canvas.red[inner][..., None] * stain["red_cell"]
    density += 0.008 * _plasma(rng)[..., None]
    picture = stains.photograph(density, stains.vary_light(rng), rng)
    return Smear(
        picture, canvas.owner[inner].copy(), tuple(canvas.kinds), len(canvas.kinds) - 1, center
    )


def _plasma(rng: np.random.Generator) -> Float[np.ndarray, "240 320"]:
    """Faint mottling of the dried plasma, mean 0 and deviation about 1."""
    # At a quarter of the size and enlarged: nobody sees it, and it takes a tenth of the time.
    coarse = shapes.clouds(rng, (HEIGHT // 4, WIDTH // 4), 1.5)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT)))


def _lay_red_cells(
    rng: np.random.Generator,
    canvas: _Canvas,
    scale: float,
    clear_of: tuple[tuple[int, int], float],
) -> None:
    """Strews red cells over the canvas, overlapping each other but hardly the white cell."""
    places = _strew(rng, int(rng.integers(12, 46)), scale * cells.RED_RADIUS, clear_of)
    radii = scale * cells.RED_RADIUS * rng.normal(1.0, 0.07, len(places)).clip(0.8, 1.2)
    layers, inside = cells.red_cells(rng, radii, shade=rng.uniform(0.85, 1.15))
    for (row, column), layer, covered in zip(places.tolist(), layers, inside, strict=True):
        canvas.red[canvas.window((row, column), len(layer))] += layer
        canvas.claim("red_cell", (row, column), covered)


def _strew(
    rng: np.random.Generator,
    wanted: int,
    radius: float,
    clear_of: tuple[tuple[int, int], float],
) -> Int[np.ndarray, "n 2"]:
    """Picks centres one after another, each at its own least distance from the others.

    Args:
        rng: the smear's generator.
        wanted: so many centres are tried for; fewer are found where the slide is full.
        radius: mean radius of a red cell, pixels.
        clear_of: centre and radius of the white cell.

    Returns:
        (row, column) of each centre, some of them beyond the picture's edge.
    """
    tries = rng.uniform((-radius, -radius), (HEIGHT + radius, WIDTH + radius), (3 * wanted, 2))
    apart = radius * np.where(rng.random(len(tries)) < 0.3, 1.0, rng.uniform(1.5, 2.2, len(tries)))
    from_white = np.hypot(*(tries - clear_of[0]).T)
    kept: Float[np.ndarray, "n 2"] = np.empty((0, 2))
    for place, gap, far in zip(tries, apart, from_white, strict=True):
        if far < clear_of[1] + 0.75 * radius or len(kept) == wanted:
            continue
        if not len(kept) or np.hypot(*(kept - place).T).min() > gap:
            kept = np.vstack([kept, place])
    return kept.round().astype(int)
