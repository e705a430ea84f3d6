"""Heat maps: what a detector is taught, and how seeds are read out of what it answers.

target = draw_heat_maps(cells, size=(60, 80), stride=4, spread=0.3)       # JAX, in the step
seeds = SeedReader(stride=4, thresholds=(0.3, 0.3, 0.3), apart=(12, 40, 8))(logits)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32
from scipy import ndimage
from scipy.special import expit

from wbc_jax.seeds.seed_points import KINDS, Seeds

_NARROWEST = 1.0  # pixels of a map; a narrower hill would stand on one pixel and teach little


def draw_heat_maps(
    cells: Float[Array, "b m 5"], *, size: tuple[int, int], stride: int, spread: float
) -> Float[Array, "b {size[0]} {size[1]} k"]:
    """Draws a hill on every cell's centre: 1 at the map's pixel nearest to it, falling like a bell.

    Args:
        cells: row, column, half the height, half the width, all in pixels of the picture, and the
            kind; below 0: no cell.
        size: rows, columns of a map.
        stride: pixels of the picture per pixel of a map.
        spread: standard deviation of a hill, in units of half the cell's shorter side.

    Returns:
        One map per kind, 0 to 1; where hills overlap the higher one counts.

    Source: Zhou et al. (2019), section 3.
    """
    row, column, height, width, kind = jnp.moveaxis(cells, -1, 0)
    deviation = jnp.maximum(spread * jnp.minimum(height, width) / stride, _NARROWEST)

    def bell(place: Float[Array, "b m"], length: int) -> Float[Array, "b m {length}"]:
        # A map's pixel i covers the picture's from i * stride on; its middle is half a stride in.
        on_map = jnp.round((place - (stride - 1) / 2) / stride)
        apart = jnp.arange(length) - on_map[..., None]
        return jnp.exp(-jnp.square(apart / deviation[..., None]) / 2)

    hills = bell(row, size[0])[:, :, :, None] * bell(column, size[1])[:, :, None, :]
    is_of = kind[..., None] == jnp.arange(len(KINDS))
    maps = [
        jnp.where(is_of[..., index, None, None], hills, 0.0).max(axis=1)
        for index in range(len(KINDS))
    ]
    return jnp.stack(maps, axis=-1)


@dataclass(frozen=True)
class SeedReader:
    """How seeds are read out of one picture's answer: the hilltops of its maps.

    A hilltop is no lower than its neighbours; of two that are nearer than their kind allows the
    higher one is kept. Its place is refined by the parabola through its neighbours, along rows and
    along columns; at the map's edge, where a neighbour is missing, it stays where it is.

    Attributes:
        stride: pixels of the picture per pixel of a map.
        thresholds: lowest score that counts, by kind, 0 to 1.
        apart: least distance of two seeds of a kind, by kind, pixels of the picture.
    """

    stride: int
    thresholds: tuple[float, ...]
    apart: tuple[float, ...]

    def __call__(self, logits: Float32[np.ndarray, "h w k"]) -> Seeds:
        """Returns the seeds, in pixels of the picture that the network was given.

        They stand kind by kind, the surest first.
        """
        maps, found = expit(logits), []
        for kind, (threshold, least) in enumerate(zip(self.thresholds, self.apart, strict=True)):
            one = maps[..., kind]
            rows, columns = np.nonzero((one == ndimage.maximum_filter(one, 3)) & (one >= threshold))
            order = np.argsort(-one[rows, columns], kind="stable")
            kept = order[_apart(rows[order], columns[order], least / self.stride)]
            rows, columns = rows[kept], columns[kept]
            padded = np.pad(one, 1, mode="reflect")
            down = _refine(padded, rows + 1, columns + 1, (1, 0))
            right = _refine(padded, rows + 1, columns + 1, (0, 1))
            middle = (self.stride - 1) / 2
            found.append(
                Seeds(
                    ((rows + down) * self.stride + middle).astype(np.float32),
                    ((columns + right) * self.stride + middle).astype(np.float32),
                    np.full(len(rows), kind, np.int32),
                    one[rows, columns].astype(np.float32),
                )
            )
        return Seeds(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def mean_of_maps(
    logits: Sequence[Float[Array, "b h w k"]], axes: Sequence[tuple[int, ...]]
) -> Float[Array, "b h w k"]:
    """Returns the logits of the mean of the maps of a picture's mirror images, turned back.

    Args:
        logits: of each mirror image.
        axes: which axes each was mirrored along.
    """
    maps = [
        jax.nn.sigmoid(jnp.flip(one, mirrored)) for one, mirrored in zip(logits, axes, strict=True)
    ]
    return jax.scipy.special.logit(jnp.clip(sum(maps) / len(maps), 1e-7, 1 - 1e-7))


def _apart(rows: np.ndarray, columns: np.ndarray, least: float) -> list[int]:
    """Returns which places to keep, the first ones first, so that none are nearer than `least`."""
    kept: list[int] = []
    left = np.arange(len(rows))
    while len(left):  # a table of all pairs would fill the memory where a map is flat
        first = left[0]
        kept.append(int(first))
        far = np.hypot(rows[left] - rows[first], columns[left] - columns[first]) >= least
        left = left[far & (left != first)]
    return kept


def _refine(
    padded: np.ndarray, rows: np.ndarray, columns: np.ndarray, step: tuple[int, int]
) -> np.ndarray:
    """Returns how far from a hilltop its parabola's top is, in pixels along `step`."""
    here = padded[rows, columns]
    before = padded[rows - step[0], columns - step[1]]
    after = padded[rows + step[0], columns + step[1]]
    bend = 2 * here - before - after
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(bend > 0, (after - before) / (2 * bend), 0.0)
    return np.clip(shift, -0.5, 0.5)
