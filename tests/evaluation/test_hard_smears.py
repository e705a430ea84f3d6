"""Which smears every seed answers wrongly, by hand."""

import numpy as np
import pytest

from wbc_jax.evaluation.hard_smears import HardSmear, always_wrong, doubtful_images
from wbc_jax.reporting.run_files import Predictions

# Three images of a, two of b, one of c; a and b are of class 0, c of class 1.
FILES = np.array([f"{place}.jpeg" for place in range(6)])
SMEARS = np.array(["a", "a", "a", "b", "b", "c"])
LABELS = np.array([0, 0, 0, 0, 0, 1])


def answers(of_class_0: list[float], rows: slice = slice(None)) -> Predictions:
    """Predictions of two classes, by the probability of the first."""
    first = np.array(of_class_0)
    return Predictions(
        FILES[rows], SMEARS[rows], LABELS[rows], np.stack([first, 1 - first], axis=1)[rows]
    )


def test_only_what_no_seed_knows_is_listed() -> None:
    seeds = {
        # The copies' mean decides: a is wrong though two of its images are right, c is wrong.
        0: answers([0.6, 0.6, 0.1, 0.3, 0.2, 0.9]),
        1: answers([0.2, 0.2, 0.2, 0.8, 0.9, 0.1]),
    }
    (hard,) = always_wrong(seeds)
    assert hard._replace(probability=0.0) == HardSmear("a", 0, 1, 0.0, 2, 0.5)
    assert hard.probability == pytest.approx(np.mean([1.3 / 3, 0.2]))


def test_the_label_is_never_the_answer_though_it_may_be_on_top_of_the_mean() -> None:
    """Two seeds are wrong each in a way of its own."""
    seeds = {
        seed: Predictions(FILES[:1], np.array(["a"]), np.array([0]), np.array([row]))
        for seed, row in enumerate(([0.45, 0.55, 0.0], [0.45, 0.0, 0.55]))
    }
    (hard,) = always_wrong(seeds)
    assert hard.label == 0
    assert hard.answer in (1, 2)
    assert hard.probability == pytest.approx(0.45)


def test_a_seed_that_was_not_tested_on_a_smear_has_no_say_in_it() -> None:
    seeds = {
        0: answers([0.1, 0.1, 0.1, 0.1, 0.1, 0.1]),
        1: answers([0.0] * 6, slice(3, 6)),
    }
    hard = always_wrong(seeds)
    assert [(smear.name, smear.num_seeds) for smear in hard] == [("a", 1), ("b", 2)]
    assert [smear.share for smear in hard] == pytest.approx([3 / 6, np.mean([2 / 6, 2 / 3])])


def test_the_smear_of_the_most_images_stands_first() -> None:
    """Of smears of as many, the first by name."""
    hard = always_wrong({0: answers([0.1, 0.1, 0.1, 0.1, 0.1, 0.9])})
    assert [smear.name for smear in hard] == ["a", "b", "c"]
    more = always_wrong({0: answers([0.1, 0.1, 0.1, 0.1, 0.1, 0.9], slice(2, 6))})
    assert [smear.name for smear in more] == ["b", "a", "c"]


def test_the_label_is_part_of_what_a_smear_is() -> None:
    """A cell that carries two labels is hard under the one that it is not called by."""
    both = Predictions(
        FILES[:2], np.array(["a", "a"]), np.array([0, 1]), np.array([[0.9, 0.1], [0.9, 0.1]])
    )
    assert [(smear.label, smear.answer) for smear in always_wrong({0: both})] == [(1, 0)]


def test_images_are_doubtful_whatever_their_smear_is_answered() -> None:
    """Of a, whose copies are answered rightly together, one is not; c is not in every seed."""
    rows = doubtful_images(
        {
            0: answers([0.9, 0.9, 0.1, 0.6, 0.4, 0.9]),
            1: answers([0.9, 0.4, 0.3, 0.2, 0.3, 0.8]),
            2: answers([0.9, 0.4, 0.1, 0.2, 0.1, 0.2], slice(0, 5)),
        },
        ("x", "y"),
    )
    assert [tuple(row.values()) for row in rows] == [
        ("5.jpeg", "c", "y", "x", "0.15", 2),
        ("2.jpeg", "a", "x", "y", "0.1667", 3),
        ("4.jpeg", "b", "x", "y", "0.2667", 3),
    ]
