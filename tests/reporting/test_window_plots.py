"""Every class has its windows, chosen by rule, drawn as the network sees them."""

import numpy as np
import pytest

from tests.reporting.conftest import CLASSES
from wbc_jax.reporting.window_plots import choose_windows, window_sheet


@pytest.mark.parametrize(
    ("num", "count", "expected"),
    [(4, 2, [1, 3]), (3, 5, [0, 1, 2]), (5, 1, [2]), (0, 3, []), (4, 0, [])],
)
def test_windows_are_spread_over_the_class(num: int, count: int, expected: list[int]) -> None:
    labels = np.zeros(num, np.int32)
    np.testing.assert_array_equal(choose_windows(labels, 0, count), expected)
    among_others = np.stack([labels, labels + 1], axis=1).ravel()
    np.testing.assert_array_equal(choose_windows(among_others, 0, count), np.multiply(expected, 2))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_sheet_shows_the_pixels_of_its_class_class_below_class(channels: int) -> None:
    labels = np.array([1, 0, 0, 1, -1, 0, 0, 0, 0, 0], np.int32)
    images = np.random.default_rng(0).integers(0, 256, (10, 5, 5, channels), dtype=np.uint8)
    figure = window_sheet(images, labels, CLASSES, rows=2, columns=3)
    drawn = [axes for axes in figure.axes if axes.images]
    titles = [axes.get_title() for axes in drawn]
    assert titles == [CLASSES[0]] * 6 + [CLASSES[1]] * 2
    numbers = [int(axes.texts[0].get_text()) for axes in drawn]
    np.testing.assert_array_equal(labels[numbers], [0] * 6 + [1] * 2)
    for axes, number in zip(drawn, numbers, strict=True):
        shown = np.asarray(axes.images[0].get_array())
        np.testing.assert_array_equal(shown.reshape(5, 5, channels), images[number])


def test_a_set_without_images_makes_an_empty_sheet() -> None:
    figure = window_sheet(np.zeros((0, 5, 5, 1), np.uint8), np.zeros(0, np.int32), CLASSES)
    assert not any(axes.images for axes in figure.axes)
