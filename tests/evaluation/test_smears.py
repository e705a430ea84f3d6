"""Which images are one smear, and what a smear's copies say together."""

import numpy as np

from wbc_jax.datasets.catalog import UNRESOLVED
from wbc_jax.evaluation.smears import group_by_smear, mean_over_copies

SOURCES = np.array(["b", "a", "b", UNRESOLVED, "a", UNRESOLVED])
LABELS = np.array([1, 0, 1, 0, 0, 1])
FILES = np.array(["b0.jpeg", "a0.jpeg", "b1.jpeg", "x.jpeg", "a1.jpeg", "y.jpeg"])


def test_copies_of_one_smear_are_one_and_unresolved_images_one_each() -> None:
    smears = group_by_smear(SOURCES, LABELS, FILES)
    assert smears.name.tolist() == ["a", "b", "unresolved/x.jpeg", "unresolved/y.jpeg"]
    assert smears.label.tolist() == [0, 1, 0, 1]
    assert smears.of_image.tolist() == [1, 0, 1, 2, 0, 3]
    assert smears.slide.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(smears.shows, np.eye(2, dtype=bool)[[0, 1, 0, 1]])


def test_a_smear_with_cells_of_two_classes_is_one_of_each_on_one_slide() -> None:
    smears = group_by_smear(
        np.array(["b", "a", "c", "a", "a"]), np.array([0, 2, 2, 0, 2]), FILES[:5]
    )
    assert smears.name.tolist() == ["a", "a", "b", "c"]
    assert smears.label.tolist() == [0, 2, 0, 2]
    assert smears.of_image.tolist() == [2, 1, 3, 0, 1]
    assert smears.slide.tolist() == [0, 0, 1, 2]
    assert smears.shows.tolist() == [
        [True, False, True],
        [True, False, False],
        [False, False, True],
    ]


def test_no_image_shows_no_smear() -> None:
    smears = group_by_smear(SOURCES[:0], LABELS[:0], FILES[:0])
    assert [len(array) for array in smears] == [0, 0, 0, 0]
    assert len(smears.shows) == 0
    assert mean_over_copies(np.zeros((0, 3)), smears).shape == (0, 3)


def test_a_smears_probabilities_are_the_mean_over_its_copies() -> None:
    first = np.array([0.9, 0.2, 0.5, 0.3, 0.4, 0.8])
    probabilities = np.stack([first, 1 - first], axis=-1)
    mean = mean_over_copies(probabilities, group_by_smear(SOURCES, LABELS, FILES))
    np.testing.assert_allclose(mean[:, 0], [0.3, 0.7, 0.3, 0.8])
    np.testing.assert_allclose(mean.sum(axis=1), 1)
