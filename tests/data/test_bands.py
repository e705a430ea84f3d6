"""Three bands, and their statistics, against plain NumPy over expanded images."""

import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.data.bands import BANDS, band_statistics, expand_bands, is_gray, standardise


def draw_images(bands: str) -> np.ndarray:
    channels = 1 if is_gray(bands) else 3
    random = np.random.default_rng(0)
    # Each channel with a mean of its own, so that mixing channels up would show.
    values = random.normal([60, 120, 200][:channels], [10, 30, 20][:channels], (5, 6, 7, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


def expanded_by_numpy(images: np.ndarray, bands: str) -> np.ndarray:
    g = images.astype(np.float64) / 255
    match bands:
        case "nonlinear":
            return np.concatenate([g, g**2, g**0.5], axis=-1)
        case "repeat":
            return np.repeat(g, 3, axis=-1)
    return g


def test_which_settings_start_from_gray() -> None:
    assert {bands: is_gray(bands) for bands in BANDS} == {
        "nonlinear": True,
        "repeat": True,
        "rgb": False,
    }


@pytest.mark.parametrize("bands", BANDS)
def test_bands(bands: str) -> None:
    images = draw_images(bands)
    expanded = expand_bands(images, bands)
    assert expanded.shape == (5, 6, 7, 3)
    assert expanded.dtype == jnp.float32
    np.testing.assert_allclose(expanded, expanded_by_numpy(images, bands), atol=1e-6)


def test_bands_of_black_half_and_white() -> None:
    expanded = expand_bands(np.array([[0], [51], [255]], np.uint8), "nonlinear")
    np.testing.assert_allclose(expanded, [[0, 0, 0], [0.2, 0.04, 0.2**0.5], [1, 1, 1]], atol=1e-6)


@pytest.mark.parametrize("bands", BANDS)
def test_statistics_are_numpys_over_the_expanded_images(bands: str) -> None:
    images = draw_images(bands)
    expanded = expanded_by_numpy(images, bands)
    statistics = band_statistics(images, bands)
    np.testing.assert_allclose(statistics.mean, expanded.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(statistics.deviation, expanded.std((0, 1, 2)), rtol=1e-5)
    assert statistics.mean.dtype == statistics.deviation.dtype == np.float32


@pytest.mark.parametrize("bands", BANDS)
def test_the_standardised_training_part_has_mean_0_and_deviation_1(bands: str) -> None:
    images = draw_images(bands)
    x = np.asarray(standardise(expand_bands(images, bands), band_statistics(images, bands)))
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 1, 2)), 1, atol=1e-5)


def test_a_band_that_never_varies_is_not_divided_by_zero() -> None:
    images = np.full((2, 3, 3, 1), 255, np.uint8)
    statistics = band_statistics(images, "nonlinear")
    np.testing.assert_array_equal(statistics.deviation, 1)
    np.testing.assert_allclose(standardise(expand_bands(images, "nonlinear"), statistics), 0)


def test_unknown_bands_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data.bands='hsv' is not known; .* nonlinear, repeat"):
        expand_bands(np.zeros((1, 1), np.uint8), "hsv")
