"""The classical detectors on drawn smears, whose truth is complete, and their two parts alone."""

from pathlib import Path

import numpy as np
import pytest

from wbc_jax.data.annotated import PictureSettings
from wbc_jax.data.load import load_pictures
from wbc_jax.data.protocols import Draw
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.evaluation.detection_scores import mean_figures
from wbc_jax.seeds.classical import METHODS, ClassicalDetector
from wbc_jax.seeds.detection import load_detector
from wbc_jax.seeds.matching import true_cells
from wbc_jax.seeds.radial_symmetry import bounded_erosion, radial_symmetry
from wbc_jax.seeds.seed_points import KINDS


def discs(*places: tuple[float, float, float], size: tuple[int, int] = (80, 100)) -> np.ndarray:
    down, right = np.mgrid[: size[0], : size[1]]
    return np.any([np.hypot(down - r, right - c) <= radius for r, c, radius in places], axis=0)


def test_symmetry_is_highest_at_the_centres_of_overlapping_discs() -> None:
    silhouette = discs((30, 30, 15), (38, 52, 15))
    score = radial_symmetry(silhouette.astype(np.float32), radii=(13, 15, 17))
    for row, column in ((30, 30), (38, 52)):
        window = score[row - 8 : row + 9, column - 8 : column + 9]
        top = np.unravel_index(window.argmax(), window.shape)
        assert np.abs(np.array(top) - 8).max() <= 2
    assert score[34, 41] < 0.5 * score[30, 30]  # between both
    assert score[70, 90] == 0
    assert not radial_symmetry(np.zeros((9, 9), np.float32), radii=(3,)).any()


def test_erosion_parts_what_overlaps_and_keeps_what_is_small() -> None:
    from scipy import ndimage

    silhouette = discs((30, 30, 15), (30, 56, 15), (65, 85, 4))
    eroded = bounded_erosion(silhouette, steps=9, least_area=40)
    labels, count = ndimage.label(eroded)
    assert ndimage.label(silhouette)[1] == 2
    assert count == 3
    assert labels[30, 30] != labels[30, 56]
    assert eroded[65, 85]
    assert (eroded & ~silhouette).sum() == 0
    plain = ndimage.binary_erosion(silhouette, iterations=9)
    assert not plain[65, 85]


@pytest.mark.parametrize("method", METHODS)
def test_most_cells_of_drawn_smears_are_found(method: str, cache_dir: Path) -> None:
    settings = PictureSettings(240, 320)
    data = load_pictures("smoke", settings, Places(None, cache_dir), draw=Draw(0))
    test = data.partition.test.take(np.arange(0, 32, 4))
    assert test.cells is not None
    detect = ClassicalDetector(method=method, red_radius=0.075, red_score=0.1)
    figures = mean_figures([detect(i) for i in test.image], [true_cells(c) for c in test.cells])
    assert figures["WBC"]["f1"] > 0.8
    assert figures["RBC"]["f1"] > 0.5


def test_seeds_are_in_the_pixels_of_the_picture_given(cache_dir: Path) -> None:
    settings = PictureSettings(240, 320)
    data = load_pictures("smoke", settings, Places(None, cache_dir), draw=Draw(0))
    picture = data.partition.test.image[0]
    detect = load_detector(None)
    small, large = detect(picture), detect(picture.repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_allclose(large.rows, small.rows * 2 + 0.5, atol=1e-3)
    np.testing.assert_allclose(large.columns, small.columns * 2 + 0.5, atol=1e-3)
    assert large.kinds.tolist() == small.kinds.tolist()
    assert ((small.scores >= 0) & (small.scores <= 1)).all()


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (240, 320)])
def test_in_an_empty_picture_nothing_is_found(level: int, shape: tuple[int, int]) -> None:
    seeds = ClassicalDetector()(np.full((*shape, 3), level, np.uint8))
    assert [len(values) for values in seeds] == [0, 0, 0, 0]


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UserError, match="method='watershed' is not known; choose one of radial"):
        ClassicalDetector(method="watershed")


def test_a_long_strip_is_squeezed_and_its_cells_are_in_its_own_pixels() -> None:
    """Enlarged to 240 rows as it is, it would need 25 GB."""
    strip = np.full((4, 16_000, 3), 250, np.uint8)
    strip[:, 12_000:12_400] = (90, 40, 140)
    seeds = ClassicalDetector()(strip)
    white = seeds.columns[seeds.kinds == KINDS.index("WBC")]
    np.testing.assert_allclose(white, 12_200, atol=50)
