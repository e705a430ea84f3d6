"""Finds cells without training: nuclei and platelets by their stain, red cells by their shape.

detect = ClassicalDetector()                              # parameters chosen on BCCD's train
seeds = detect(picture)                                   # uint8 [h, w, 3] -> Seeds
detect = ClassicalDetector(method="distance")             # the baselines: distance, log

Lengths are shares of the picture's height, areas of its height squared: the magnification is part
of a data set, the number of pixels is not. `python -m benchmarks.classical_detectors` chose the
defaults and measures them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8
from PIL import Image
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.morphology import disk

from wbc_jax.data.white_cell import nuclear_stain, optical_density
from wbc_jax.errors import require_choice
from wbc_jax.seeds.radial_symmetry import bounded_erosion, radial_symmetry
from wbc_jax.seeds.seed_points import KINDS, Seeds, to_own_pixels

METHODS = ("radial_symmetry", "distance", "log")
_ROWS = 240  # of the picture in which cells are looked for
_MOST_COLUMNS = 8 * _ROWS  # a strip that is longer is squeezed: it would fill the memory
_GREEN = 1  # the channel that every stained cell darkens
_RED, _WHITE, _PLATELET = range(len(KINDS))
Plane = Float32[np.ndarray, "r c"]
Mask = Bool[np.ndarray, "r c"]


@dataclass(frozen=True)
class ClassicalDetector:
    """A detector whose few parameters have a meaning in the picture.

    Attributes:
        method: how red cells are told apart: radial_symmetry (bounded erosion, then fast radial
            symmetry), distance (peaks of the distance transform) or log (Laplacian of Gaussian).
        red_radius: of a red cell.
        red_score: least score of one.
        red_apart: least distance of two, in units of the radius.
        red_depth: Otsu's threshold of the green density outside nuclei is multiplied by this.
        erosion: of the silhouette, in units of the radius.
        white_stain: least nuclear stain, a density.
        white_area: least area of a nucleus.
        lobe_gap: lobes nearer than this belong to one nucleus.
        platelet_stain: least nuclear stain of a platelet.
        platelet_area: least area of one.
    """

    method: str = "radial_symmetry"
    red_radius: float = 0.11
    red_score: float = 0.15
    red_apart: float = 0.5
    red_depth: float = 0.6
    erosion: float = 0.15
    white_stain: float = 0.4
    white_area: float = 0.01
    lobe_gap: float = 0.06
    platelet_stain: float = 0.22
    platelet_area: float = 0.0006

    def __post_init__(self) -> None:
        require_choice("method", self.method, METHODS)

    def __call__(self, picture: UInt8[np.ndarray, "h w 3"]) -> Seeds:
        """Returns the cells of one picture, in its own pixels."""
        height, width = picture.shape[:2]
        size = (min(max(1, round(width * _ROWS / height)), _MOST_COLUMNS), _ROWS)
        small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
        density = optical_density(small)
        if density is None:
            return _seeds([])
        stain = nuclear_stain(density).astype(np.float32)
        nuclei, white = self._white_cells(stain)
        platelets = self._platelets(stain, nuclei)
        red = self._red_cells(density[..., _GREEN], nuclei)
        found = _seeds([(_RED, *red), (_WHITE, *white), (_PLATELET, *platelets)])
        return to_own_pixels(found, size[::-1], (height, width))

    def _white_cells(self, stain: Plane) -> tuple[Mask, tuple[np.ndarray, np.ndarray]]:
        """Returns all nuclei as a mask, and places and scores of the white cells."""
        threshold = max(self.white_stain, float(threshold_otsu(np.maximum(stain, 0.0))))
        stained = ndimage.binary_opening(stain > threshold)
        joined = _near(stained, self.lobe_gap / 2 * _ROWS)
        labels, count = ndimage.label(joined)
        labels = np.where(stained, labels, 0)
        areas = np.bincount(labels.ravel(), minlength=count + 1)
        kept = np.flatnonzero(areas >= self.white_area * _ROWS**2)
        kept = kept[kept > 0]
        places = np.array(ndimage.center_of_mass(stained, labels, kept)).reshape(-1, 2)
        depth = ndimage.mean(stain, labels, kept) if len(kept) else np.zeros(0)
        return np.isin(labels, kept) & stained, (places, np.clip(depth, 0.0, 1.0))

    def _platelets(self, stain: Plane, nuclei: Mask) -> tuple[np.ndarray, np.ndarray]:
        around = _near(nuclei, self.lobe_gap * _ROWS)
        smooth = ndimage.gaussian_filter(stain, 1.0)
        labels, count = ndimage.label((smooth > self.platelet_stain) & ~around)
        numbers = np.arange(1, count + 1)
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:] / _ROWS**2
        kept = numbers[(areas >= self.platelet_area) & (areas < self.white_area)]
        places = np.array(ndimage.center_of_mass(labels > 0, labels, kept)).reshape(-1, 2)
        depth = ndimage.mean(smooth, labels, kept) if len(kept) else np.zeros(0)
        return places, np.clip(depth, 0.0, 1.0)

    def _red_cells(self, green: Plane, nuclei: Mask) -> tuple[np.ndarray, np.ndarray]:
        radius = self.red_radius * _ROWS
        around = _near(nuclei, self.lobe_gap / 2 * _ROWS)
        if around.all():
            return np.zeros((0, 2)), np.zeros(0)
        # Without the nuclei, which are so dark that Otsu's method would part them from all else.
        cells = green > self.red_depth * threshold_otsu(green[~around])
        cells = ndimage.binary_fill_holes(ndimage.binary_opening(cells & ~around, disk(2)))
        map_of = {"radial_symmetry": self._symmetry, "distance": _distance, "log": _log}
        score = map_of[self.method](cells, radius)
        places = peak_local_max(
            score,
            min_distance=max(1, round(self.red_apart * radius)),
            threshold_abs=self.red_score,
            exclude_border=False,
        )
        on_cell = cells[tuple(places.T)]
        places = places[on_cell]
        return places.astype(np.float64), np.clip(score[tuple(places.T)], 0.0, 1.0)

    def _symmetry(self, cells: Mask, radius: float) -> Plane:
        steps = round(self.erosion * radius)
        apart = bounded_erosion(cells, steps=steps, least_area=round(radius**2 / 4))
        smooth = ndimage.gaussian_filter(apart.astype(np.float32), 1.0)
        least = max(2, round(0.7 * radius) - steps)
        radii = range(least, max(least, round(1.2 * radius) - steps) + 1, 2)
        return radial_symmetry(smooth, radii=list(radii))


def _near(mask: Mask, distance: float) -> Mask:
    """Returns what lies within a distance of a mask; dilation by a large disc, but quick."""
    if not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask) <= distance


def _distance(cells: Mask, radius: float) -> Plane:
    """Returns how far inside a place lies, 1 at a whole cell's centre; the frame is no edge."""
    inside = np.pad(cells, 1, mode="edge")
    depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
    return (ndimage.gaussian_filter(depth, 1.5) / radius).astype(np.float32)


def _log(cells: Mask, radius: float) -> Plane:
    """Returns how much a place is the middle of a blob of that radius, about 1 at most."""
    deviation = radius / np.sqrt(2)
    answer = -ndimage.gaussian_laplace(cells.astype(np.float32), deviation, mode="nearest")
    # Of a disc of this radius it is 2 / (e * deviation^2) at the centre.
    return (answer * deviation**2 * np.e / 2).astype(np.float32)


def _seeds(parts: list[tuple[int, np.ndarray, np.ndarray]]) -> Seeds:
    """Puts kinds, places and scores together, the surest of a kind first."""
    none = np.zeros(0, np.float32)
    rows, columns, scores, kinds = [none], [none], [none], [np.zeros(0, np.int32)]
    for kind, places, score in parts:
        order = np.argsort(-score, kind="stable")
        rows.append(places[order, 0].astype(np.float32))
        columns.append(places[order, 1].astype(np.float32))
        scores.append(score[order].astype(np.float32))
        kinds.append(np.full(len(score), kind, np.int32))
    joined: Int32[np.ndarray, " n"] = np.concatenate(kinds)
    return Seeds(np.concatenate(rows), np.concatenate(columns), joined, np.concatenate(scores))
