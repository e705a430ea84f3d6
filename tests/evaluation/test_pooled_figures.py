"""Means over seeds and their intervals, on a handful of smears."""

import numpy as np
import pytest

from wbc_jax.evaluation.intervals import SEED, draw_smears, percentile_interval
from wbc_jax.evaluation.pooled_figures import POOLED, pooled_figures
from wbc_jax.evaluation.seed_resamples import (
    SeedFigure,
    Units,
    draw_together,
    seed_widening,
    summarize,
)
from wbc_jax.reporting.run_files import Predictions

SMEARS = np.repeat([f"s{smear}" for smear in range(8)], 3)
LABELS = np.repeat(np.arange(8) % 2, 3)


def answers(wrong: tuple[int, ...], rows: slice = slice(None)) -> Predictions:
    """Predictions of two classes, with these images answered wrongly."""
    said = LABELS.copy()
    said[list(wrong)] = 1 - said[list(wrong)]
    probabilities = np.where(np.eye(2)[said] > 0, 0.8, 0.2)
    files = np.array([f"{place}.jpeg" for place in range(24)])
    return Predictions(files[rows], SMEARS[rows], LABELS[rows], probabilities[rows])


def test_mean_and_deviation_over_seeds_by_hand() -> None:
    figures = pooled_figures(
        {3: answers((0, 1)), 5: answers((0, 1, 2, 3, 4)), 7: answers(())}, num_classes=2
    )
    accuracies = [22 / 24, 19 / 24, 1.0]
    of_images = figures.levels["image"]["categorical_accuracy"]
    assert of_images["mean"] == pytest.approx(np.mean(accuracies))
    assert of_images["sd"] == pytest.approx(np.std(accuracies, ddof=1))
    assert of_images["per_seed"] == pytest.approx(dict(zip("357", accuracies, strict=True)))
    of_smears = figures.levels["smear"]["categorical_accuracy"]
    assert list(of_smears["per_seed"].values()) == pytest.approx([7 / 8, 6 / 8, 1])
    assert figures.smears_per_class.tolist() == [4, 4]
    assert figures.num_wrong == 2


def test_one_seed_has_no_deviation() -> None:
    levels = pooled_figures({0: answers((0,))}, num_classes=2).levels
    assert {levels[level][name]["sd"] for level in levels for name in POOLED} == {None}


def test_seeds_that_err_on_the_same_smears_know_them_no_better() -> None:
    """Each smear is drawn for all seeds at once."""
    one = pooled_figures({0: answers((0, 1, 2, 9))}, num_classes=2).levels
    three = pooled_figures(dict.fromkeys(range(3), answers((0, 1, 2, 9))), num_classes=2).levels
    for level in one:
        for name in POOLED:
            assert one[level][name]["interval"] == pytest.approx(three[level][name]["interval"])
    other = pooled_figures({0: answers((0, 1, 2, 9)), 1: answers((12, 13, 14, 21))}, num_classes=2)
    width = np.diff(other.levels["image"]["categorical_accuracy"]["interval"])
    assert width < np.diff(one["image"]["categorical_accuracy"]["interval"])


def test_seeds_may_test_different_smears() -> None:
    first, second = slice(0, 12), slice(6, 24)
    figures = pooled_figures(
        {0: answers((0, 7), first), 1: answers((7, 8, 20), second)}, num_classes=2
    )
    assert figures.smears_per_class.tolist() == [4, 4]
    of_images = figures.levels["image"]["categorical_accuracy"]
    assert list(of_images["per_seed"].values()) == pytest.approx([10 / 12, 15 / 18])
    # By hand: smear s is drawn as often for both seeds as it is drawn; within a seed every class
    # keeps its number of smears, and a seed without one of its classes is left out.
    draws = draw_smears(np.array([0, 0, 0, 0, 1, 1, 1, 1]))[:, [0, 4, 1, 5, 2, 6, 3, 7]]
    shares = []
    for wrong, rows in (((0, 7), first), ((7, 8, 20), second)):
        right = np.ones(24)
        right[list(wrong)] = 0
        of_smear = right.reshape(8, 3).mean(axis=1)
        own = range(rows.start // 3, rows.stop // 3)
        classes = [[s for s in own if s % 2 == label] for label in (0, 1)]
        sums = [draws[:, smears].sum(axis=1) for smears in classes]
        of_class = [
            draws[:, smears] @ of_smear[smears] / np.where(total > 0, total, np.nan)
            for smears, total in zip(classes, sums, strict=True)
        ]
        counts = [len(smears) for smears in classes]
        shares.append(np.average(of_class, axis=0, weights=counts))
    assert np.isnan(shares[0]).any()
    drawn = np.random.default_rng([SEED, 1]).integers(2, size=(len(draws), 2))
    of_drawn = np.take_along_axis(np.stack(shares, axis=1), drawn, axis=1)
    is_whole = ~np.isnan(of_drawn).all(axis=1)
    by_seeds = np.array([10 / 12, 15 / 18])[drawn[is_whole]].mean(axis=1) - (10 / 12 + 15 / 18) / 2
    expected = np.nanmean(of_drawn[is_whole], axis=1) + (seed_widening(2) - 1) * by_seeds
    assert of_images["interval"] == pytest.approx(percentile_interval(expected.clip(0, 1)))


def test_slides_with_cells_of_both_classes_are_drawn_whole() -> None:
    """By hand: each pair of neighbouring smears, of two classes, is one slide here."""
    slides = np.repeat(["s0", "s1", "s2", "s3"], 6)
    own = answers((0, 1, 2, 9, 13))._replace(sources=slides)
    figures = pooled_figures({0: own}, num_classes=2)
    assert figures.num_smears == 4
    assert figures.smears_per_class.tolist() == [4, 4]
    of_slide = (own.probabilities.argmax(axis=1) == LABELS).reshape(4, 6).mean(axis=1)
    shares = draw_smears(np.zeros(4, np.intp)) @ of_slide / 4
    of_images = figures.levels["image"]["categorical_accuracy"]
    assert of_images["interval"] == pytest.approx(percentile_interval(shares))


def test_seeds_are_drawn_in_a_stream_of_their_own() -> None:
    """Another stream would move every published interval over seeds."""
    names, strata = np.array([f"s{smear}" for smear in range(8)]), np.arange(8) % 2
    drawn = draw_together(dict.fromkeys((3, 5, 7), Units(names, np.eye(2, dtype=bool)[strata])))
    expected = np.random.default_rng([SEED, 1]).integers(3, size=(2000, 3))
    np.testing.assert_array_equal(drawn.seeds_drawn, expected)
    by_class = np.argsort(strata, kind="stable")
    expected = draw_smears(strata[by_class])
    for seed in (3, 5, 7):
        np.testing.assert_array_equal(drawn.weights[seed][:, by_class], expected)


def test_seeds_that_differ_widen_the_interval() -> None:
    """Every smear is answered alike, so that nothing but the seeds can make an interval."""
    first, second = tuple(range(0, 24, 3)), tuple(range(1, 24, 3))
    alike = dict.fromkeys(range(3), answers(first))
    unlike = {0: answers(()), 1: answers(first), 2: answers(first + second)}
    near = {0: answers(()), 1: answers(first), 2: answers(first)}
    # Three times one and the same of three is drawn more often than in 2.5 % of cases; no
    # accuracy lies outside of 0 to 1.
    for seeds, mean, ends in (
        (alike, 2 / 3, [2 / 3, 2 / 3]),
        (unlike, 2 / 3, [0, 1]),
        (near, 7 / 9, [7 / 9 - seed_widening(3) / 9, 1]),
    ):
        figure = pooled_figures(seeds, num_classes=2).levels["image"]["categorical_accuracy"]
        assert figure["mean"] == pytest.approx(mean)
        assert figure["interval"] == pytest.approx(ends)


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_an_interval_over_few_seeds_holds_what_it_promises(num_seeds: int) -> None:
    """Nothing but the seed makes a difference here, and the true mean is 0."""
    random = np.random.default_rng(0)
    drawn = random.integers(num_seeds, size=(2000, num_seeds))
    held, held_unwidened, trials = 0, 0, 1000
    for of_seeds in random.normal(size=(trials, num_seeds)):
        resampled = np.broadcast_to(of_seeds, (2000, num_seeds))
        figure = SeedFigure(dict(enumerate(of_seeds)), resampled, (-np.inf, np.inf))
        low, high = summarize(figure, drawn)["interval"]
        held += low <= 0 <= high
        low, high = percentile_interval(of_seeds[drawn].mean(axis=1))
        held_unwidened += low <= 0 <= high
    assert 0.92 < held / trials < 0.98
    assert held_unwidened / trials < 0.87


def test_the_widening_by_hand() -> None:
    assert seed_widening(1) == 1
    assert seed_widening(3) == pytest.approx(4.3027 / 1.95996 * 1.5**0.5, rel=1e-4)
    assert seed_widening(1000) == pytest.approx(1, abs=0.003)


def test_a_class_that_a_resample_lacks_does_not_undo_the_interval() -> None:
    """Each seed tests one smear of a class: some resamples hold it for the other seed alone."""
    first, second = slice(0, 9), slice(9, 18)
    levels = pooled_figures(
        {0: answers((0, 1), first), 1: answers((9, 10), second)}, num_classes=2
    ).levels
    for name in POOLED:
        low, high = levels["image"][name]["interval"]
        assert 0 < low <= levels["image"][name]["mean"] <= high <= 1
        assert low < high
