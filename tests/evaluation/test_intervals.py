"""Intervals over smears: they cover, they are wider than over images, they say when they cannot."""

import numpy as np
import pytest

from wbc_jax.evaluation.intervals import (
    RESAMPLES,
    SEED,
    cautions,
    draw_smears,
    percentile_interval,
    percentile_intervals,
    shows_all,
    strata_of,
)
from wbc_jax.evaluation.smears import group_by_smear
from wbc_jax.evaluation.weighted import SmearPart, weighted_figures

LABELS = np.repeat([0, 1, 2], (5, 1, 8))


def test_every_resample_has_as_many_smears_of_each_class() -> None:
    draws = draw_smears(LABELS)
    assert draws.shape == (RESAMPLES, 14)
    for label, count in ((0, 5), (1, 1), (2, 8)):
        assert set(draws[:, label == LABELS].sum(axis=1)) == {count}
    assert set(draws[:, 5]) == {1.0}, "the only smear of its class is always drawn"
    np.testing.assert_allclose(draws.mean(axis=0), 1, atol=0.1)
    assert draws[:, 0].var() == pytest.approx(5 * (1 / 5) * (4 / 5), rel=0.1)


def test_draws_depend_on_the_seed_alone() -> None:
    np.testing.assert_array_equal(draw_smears(LABELS), draw_smears(LABELS, seed=SEED))
    assert (draw_smears(LABELS) != draw_smears(LABELS, seed=SEED + 1)).any()


def test_the_interval_is_the_middle_95_per_cent() -> None:
    values = np.concatenate([np.arange(1001.0), [np.nan] * 9])
    assert percentile_interval(values) == pytest.approx([25.0, 975.0])
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


def draw_part(random: np.random.Generator, *, smears: int, copies: int, spread: float) -> SmearPart:
    """Two classes; a smear's copies are right with a probability of the smear's own."""
    labels = np.repeat([0, 1], smears * copies)
    of_image = np.repeat(np.arange(2 * smears), copies)
    chances = np.clip(0.7 + spread * random.choice([-1, 1], 2 * smears), 0, 1)
    is_right = random.random(labels.size) < chances[of_image]
    answers = np.where(is_right, labels, 1 - labels)
    return SmearPart(labels, np.eye(2)[answers] * 0.8 + 0.1, of_image, num_smears=2 * smears)


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(0)
    draws = draw_smears(np.repeat([0, 1], 30), resamples=400)
    held = []
    for _ in range(400):
        part = draw_part(random, smears=30, copies=5, spread=0.25)
        low, high = percentile_interval(weighted_figures(part, draws)["categorical_accuracy"])
        held.append(low <= 0.7 <= high)
    assert 0.91 < np.mean(held) < 0.985


@pytest.mark.parametrize(
    ("mixed", "pure", "too_few_apart"),
    [
        ([10] * 30, [], True),  # cells on slides of both classes
        ([60], [5] * 30, False),  # one such slide beside smears of one class
        ([12] * 10, [4] * 20, False),
    ],
)
def test_about_95_of_100_intervals_over_slides_hold_the_truth(
    mixed: list[int], pure: list[int], too_few_apart: bool
) -> None:
    """What a slide's stain does to its cells it does to those of all classes."""
    random = np.random.default_rng(0)
    sizes = [*mixed, *pure]
    slides, number = np.repeat(np.arange(len(sizes)), sizes), np.arange(sum(sizes))
    classes = np.where(slides < len(mixed), number, slides) % 2
    names = np.array([f"s{slide:02d}" for slide in slides])
    smears = group_by_smear(names, classes, np.array([f"{row}.png" for row in number]))
    together = draw_smears(*strata_of(smears.shows), resamples=400)[:, smears.slide]
    apart = draw_smears(smears.label, resamples=400)
    held: dict[str, list[bool]] = {"together": [], "apart": []}
    for _ in range(400):
        chances = np.clip(0.7 + random.choice([-0.25, 0.25], len(sizes)), 0, 1)
        answers = np.where(random.random(len(slides)) < chances[slides], classes, 1 - classes)
        part = SmearPart(
            classes,
            np.eye(2)[answers] * 0.8 + 0.1,
            smears.of_image,
            num_smears=len(smears.name),
        )
        for name, draws in (("together", together), ("apart", apart)):
            low, high = percentile_interval(weighted_figures(part, draws)["categorical_accuracy"])
            held[name].append(low <= 0.7 <= high)
    assert 0.91 < np.mean(held["together"]) < 0.985
    if too_few_apart:
        assert np.mean(held["apart"]) < 0.88


def test_smears_are_drawn_class_by_class_unless_one_shows_several() -> None:
    pure = np.eye(3, dtype=bool)[[2, 0, 0]]
    mixed = np.array([[True, True], [False, True]])
    assert [strata.tolist() for strata in strata_of(pure)] == [[2, 0, 0]]
    assert [strata.tolist() for strata in strata_of(pure, mixed)] == [[0, 0, 0], [0, 0]]
    draws = np.array([[1, 0, 2], [0, 2, 1], [3, 0, 0]])
    assert shows_all(draws, pure).tolist() == [True, False, False], "the second class is nowhere"
    assert shows_all(draws[:, :2], mixed).tolist() == [True, False, True]


def test_what_drawings_of_slides_lack_is_said() -> None:
    counts = {"a": 8, "b": 8, "c": 1}
    one_seed, lacking, few = cautions(counts, num_smears=8, num_wrong=1, share_left_out=0.344)
    assert "34 % of the drawings have none of it and are left out" in lacking
    assert (
        few == "Fewer than 10 test smears of any class (8): intervals from so few are too narrow."
    )
    assert cautions(counts, num_smears=12, num_wrong=1) == [one_seed]


def test_copies_of_smears_widen_the_interval_and_independent_images_do_not() -> None:
    def widths(spread: float) -> tuple[float, float]:
        part = draw_part(np.random.default_rng(1), smears=20, copies=20, spread=spread)
        by_smear = weighted_figures(part, draw_smears(np.repeat([0, 1], 20)))
        own = SmearPart(part.labels, part.probabilities, np.arange(800), num_smears=800)
        by_image = weighted_figures(own, draw_smears(part.labels))
        ends = [
            percentile_interval(figures["categorical_accuracy"]) for figures in (by_smear, by_image)
        ]
        return ends[0][1] - ends[0][0], ends[1][1] - ends[1][0]

    smear, image = widths(spread=0.25)
    assert smear > 2 * image
    smear, image = widths(spread=0.0)
    assert smear == pytest.approx(image, rel=0.4)


def test_intervals_have_the_names_of_the_figures() -> None:
    part = draw_part(np.random.default_rng(2), smears=4, copies=3, spread=0.2)
    figures = weighted_figures(part, draw_smears(np.repeat([0, 1], 4), resamples=50))
    intervals = percentile_intervals(figures, ("a", "b"))
    assert set(intervals["auroc"]) == {"a", "b", "macro"}
    assert set(intervals["per_class"]) == {"a", "b"}
    assert set(intervals["per_class"]["a"]) == {"precision", "recall", "f1"}
    assert intervals["per_class"]["b"]["recall"] == percentile_interval(figures["recall"][:, 1])
    assert intervals["auroc"]["macro"] == percentile_interval(figures["auroc_macro"])
    assert all(len(intervals[name]) == 2 for name in ("mcc", "brier", "ece", "macro_f1"))


def test_a_perfect_classifier_has_no_width_and_a_caution() -> None:
    labels = np.repeat([0, 1], 20)
    part = SmearPart(labels, np.eye(2)[labels], np.arange(40), num_smears=40)
    intervals = percentile_intervals(weighted_figures(part, draw_smears(labels)), ("a", "b"))
    for name in ("categorical_accuracy", "balanced_accuracy", "macro_f1", "mcc"):
        assert intervals[name] == [1.0, 1.0]
    assert intervals["auroc"] == {"a": [1.0, 1.0], "b": [1.0, 1.0], "macro": [1.0, 1.0]}
    assert intervals["brier"] == intervals["ece"] == [0.0, 0.0]
    (text,) = cautions({"a": 20, "b": 20}, num_smears=40, num_wrong=0, num_seeds=3)
    assert "All 40 smears are answered right" in text
    assert "7.5 %" in text


def test_cautions_name_the_classes() -> None:
    assert cautions({"a": 20, "b": 30}, num_smears=50, num_wrong=3, num_seeds=3) == []
    counts = {"a": 1, "b": 4, "c": 0, "d": 10}
    single, few, absent = cautions(counts, num_smears=15, num_wrong=1, num_seeds=3)
    assert "a single test smear of a:" in single
    assert few.startswith("Fewer than 10 test smears of b (4): "), "a single one is said to be one"
    assert "No test smear of c:" in absent


def test_slides_of_several_classes_are_no_more_trials_than_there_are_slides() -> None:
    (text,) = cautions({"a": 20, "b": 20}, num_smears=20, num_wrong=0, num_seeds=3)
    assert "All 20 smears are answered right" in text
    assert "15.0 %" in text


def test_two_smears_without_an_error_leave_any_error_rate_open() -> None:
    """3 / n is above 1 for fewer than three, and no share is."""
    text = cautions({"a": 2}, num_smears=2, num_wrong=0, num_seeds=3)[-1]
    assert "about 3 / n, here 100.0 %" in text


def test_one_seed_is_said_to_be_one() -> None:
    (text,) = cautions({"a": 20, "b": 30}, num_smears=50, num_wrong=3)
    assert "another seed may well lie outside" in text


def test_intervals_of_seeds_with_smears_of_their_own_are_not_called_too_narrow() -> None:
    counts = {"a": 1, "b": 4}
    (text,) = cautions(counts, num_smears=5, num_wrong=1, num_seeds=3, share_left_out=0.51)
    assert "51 % of their drawings" in text
    assert "wider" in text
