"""Augmented copies of a drawn smear, and where its cells are in each of them.

    copy = copies.make_copy(smear, rng)
    copy.picture, copy.instances, copy.cells

The distortions are those of the real `blood_cells` set. Picture and instance map go through the
same affine map, and centres and boxes are measured on the mapped instances: they agree with the
picture by construction, also where the frame cuts a cell.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from wbc_jax.datasets.encoding import encode
from wbc_jax.datasets.synthetic_smears.drawing import HEIGHT, WIDTH, Smear

ROTATION = np.deg2rad(20.0)  # largest turn to either side, radians
SHIFT = 0.10  # largest shift, share of height and of width
SHEAR = 0.20  # largest shear angle, radians
MIN_PIXELS = 16  # what shows less of itself is no cell any more, pixels
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Cell:
    """A cell of a copy.

    Attributes:
        kind: a white kind, "red_cell" or "platelet".
        center: (row, column) of one of its pixels: the one nearest to the centroid of its mask.
        box: (first row, first column, end row, end column) around its mask, ends exclusive.
    """

    kind: str
    center: tuple[int, int]
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Copy:
    """An augmented copy.

    Attributes:
        picture: 8-bit RGB, black beyond the smear's edge.
        instances: 0 where there is no cell, else 1 + index into `cells`.
        cells: what is in view, in drawing order: later ones lie on top.
    """

    picture: UInt8[np.ndarray, "240 320 3"]
    instances: UInt8[np.ndarray, "240 320"]
    cells: tuple[Cell, ...]


def draw_affine(
    rng: np.random.Generator, white_center: tuple[int, int]
) -> Float[np.ndarray, "2 3"]:
    """Draws the affine map of a copy: shear, turn, flips and shift about the picture's centre.

    It is drawn again until the white cell's centre stays in view: without a white cell an image
    would have a label that nobody could see.

    Args:
        rng: the copy's generator.
        white_center: (row, column) in the smear, pixels.

    Returns:
        Matrix from (x, y, 1) in the smear to (x, y) in the copy, pixels; pixel centres lie at
        halves.
    """
    middle = np.array([WIDTH, HEIGHT]) / 2.0
    white = np.array([white_center[1], white_center[0]]) + 0.5
    while True:  # a draw succeeds more often than not
        turn, shear = rng.uniform(-ROTATION, ROTATION), rng.uniform(-SHEAR, SHEAR)
        shift = rng.uniform(-SHIFT, SHIFT, 2) * (WIDTH, HEIGHT)
        flips = np.where(rng.random(2) < 0.5, -1.0, 1.0)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        # As in Keras: the sheared axis keeps its length, so the picture shrinks by cos(shear).
        linear = rotation @ np.array([[1.0, -np.sin(shear)], [0.0, np.cos(shear)]]) @ np.diag(flips)
        offset = middle + shift - linear @ middle
        x, y = linear @ white + offset
        if 0 <= x < WIDTH and 0 <= y < HEIGHT:
            return np.column_stack([linear, offset])


def make_copy(smear: Smear, rng: np.random.Generator) -> Copy:
    """Makes one augmented copy of `smear`, its distortion drawn from `rng`."""
    affine = draw_affine(rng, smear.white_center)
    # PIL asks where in the smear a pixel of the copy comes from.
    inverse = np.linalg.inv(affine[:, :2])
    back = np.column_stack([inverse, -inverse @ affine[:, 2]]).ravel().tolist()
    size, method = (WIDTH, HEIGHT), Image.Transform.AFFINE
    picture = Image.fromarray(smear.picture).transform(
        size, method, back, Image.Resampling.BILINEAR
    )
    owner = Image.fromarray(smear.instances).transform(size, method, back, Image.Resampling.NEAREST)
    instances, cells = measure(np.asarray(owner), smear.kinds)
    return Copy(np.asarray(picture), instances, cells)


def measure(
    owner: UInt8[np.ndarray, "h w"], kinds: tuple[str, ...]
) -> tuple[UInt8[np.ndarray, "h w"], tuple[Cell, ...]]:
    """Finds the cells in view and numbers them anew without gaps.

    Args:
        owner: 0 or 1 + index into `kinds`.
        kinds: kind of each cell that was drawn, also of those no longer in view.

    Returns:
        The instance map in the new numbers and the cells in the same order; a cell with fewer
        than `MIN_PIXELS` pixels in view is taken out of both.
    """
    row, column = np.nonzero(owner)
    number = owner[row, column]
    bins = len(kinds) + 1
    areas = np.bincount(number, minlength=bins)
    kept = np.flatnonzero(areas >= MIN_PIXELS)
    renumber = np.zeros(256, np.uint8)
    renumber[kept] = np.arange(1, len(kept) + 1)
    sums = (np.bincount(number, weights=along, minlength=bins) for along in (row, column))
    centroids = np.column_stack([total / np.maximum(areas, 1) for total in sums])
    found = ndimage.find_objects(owner, max_label=len(kinds))
    cells = []
    for i in kept:
        y, x = centroids[i].round().astype(int).tolist()
        if owner[y, x] != i:
            # The centroid of a crescent lies outside it, in the cell that covers the rest.
            own = np.argwhere(owner == i)
            y, x = own[np.argmin(((own - centroids[i]) ** 2).sum(1))].tolist()
        rows, columns = found[i - 1]
        box = (rows.start, columns.start, rows.stop, columns.stop)
        cells.append(Cell(kinds[i - 1], (y, x), box))
    return renumber[owner], tuple(cells)


def to_jpeg(picture: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """Encodes an RGB picture."""
    return encode(Image.fromarray(picture), "JPEG", quality=JPEG_QUALITY)


def to_png(instances: UInt8[np.ndarray, "h w"]) -> bytes:
    """Encodes an instance map without loss; level 3 is half the time of PIL's 6."""
    return encode(Image.fromarray(instances), "PNG", compress_level=3)
