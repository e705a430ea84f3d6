"""Risk, coverage and the threshold, against counting by hand."""

import numpy as np
import pytest

from wbc_jax.evaluation import selective
from wbc_jax.evaluation.selective import (
    LEAST_COVERAGE,
    TARGET_RISK,
    Confidences,
    at_threshold,
    choose_threshold,
    risk_coverage,
    selective_figures,
)
from wbc_jax.evaluation.smears import Smears, group_by_smear


def draw_answers(number: int = 400, seed: int = 0) -> Confidences:
    """Answers that are right as often as they are confident; many have equal confidences."""
    random = np.random.default_rng(seed)
    confidence = (1 - 0.75 * random.random(number) ** 3).round(2)
    return Confidences(confidence, random.random(number) < confidence)


def one_smear_each(number: int) -> Smears:
    labels = np.zeros(number, int)
    names = np.array([f"s{i}" for i in range(number)])
    return group_by_smear(names, labels, names)


def test_the_curve_is_what_counting_gives_at_every_confidence() -> None:
    answers = draw_answers()
    curve = risk_coverage(answers)
    assert len(curve.threshold) == len(np.unique(answers.confidence))
    for threshold, coverage, risk in zip(*curve, strict=True):
        is_given = answers.confidence >= threshold
        assert coverage == pytest.approx(is_given.mean())
        assert risk == pytest.approx((~answers.is_right[is_given]).mean())
        assert at_threshold(answers, float(threshold)) == {
            "coverage": pytest.approx(coverage),
            "risk": pytest.approx(risk),
        }
    assert curve.coverage[-1] == 1
    assert (np.diff(curve.coverage) > 0).all()


def test_the_threshold_keeps_to_the_risk_with_a_margin() -> None:
    answers = draw_answers(3000)
    threshold = choose_threshold(answers, one_smear_each(3000))
    assert threshold is not None
    found = at_threshold(answers, threshold)
    assert found["risk"] < TARGET_RISK
    assert found["coverage"] > LEAST_COVERAGE
    # A lower one would be too risky: with independent images the margin is 1.64 deviations.
    lower = np.unique(answers.confidence[answers.confidence < threshold])[-1]
    below = at_threshold(answers, float(lower))
    number = below["coverage"] * 3000
    bound = below["risk"] + 1.64 * np.sqrt(below["risk"] * (1 - below["risk"]) / number)
    assert bound > TARGET_RISK - 0.003


def test_many_images_are_taken_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = draw_answers(1000)
    whole = choose_threshold(answers, one_smear_each(1000))
    monkeypatch.setattr(selective, "_BLOCK", 7)
    assert choose_threshold(answers, one_smear_each(1000)) == whole


def test_copies_of_few_smears_promise_less_than_as_many_smears() -> None:
    answers = draw_answers(600)
    order = np.argsort(answers.confidence)
    answers = Confidences(answers.confidence[order], answers.is_right[order])
    labels = np.zeros(600, int)
    few = np.array([f"s{i // 60}" for i in range(600)])
    alone = choose_threshold(answers, one_smear_each(600))
    copies = choose_threshold(
        answers, group_by_smear(few, labels, np.array([f"f{i}" for i in range(600)]))
    )
    assert alone is not None
    assert copies is None or copies > alone  # equal where copies are counted as smears


def test_cells_of_several_classes_on_a_slide_promise_no_more_than_cells_of_one() -> None:
    """The slides are drawn, so the classes of their cells make no difference."""
    answers, number = draw_answers(600), np.arange(600)
    order = np.argsort(answers.confidence)
    answers = Confidences(answers.confidence[order], answers.is_right[order])
    slides = np.array([f"s{place // 20}" for place in number])
    files = np.array([f"f{place}" for place in number])
    one, several, apart = (
        choose_threshold(answers, group_by_smear(names, labels, files))
        for names, labels in (
            (slides, np.zeros(600, int)),
            (slides, number % 4),
            (np.char.add(slides, (number % 4).astype(str)), np.zeros(600, int)),
        )
    )
    assert one == several
    assert one != apart


@pytest.mark.parametrize(("wrong_smears", "expected"), [(1, None), (4, 0.9)])
def test_the_risk_is_kept_in_most_drawings_and_not_on_average(
    wrong_smears: int, expected: float | None
) -> None:
    """Of 200 images four are wrong: copies of one smear, which may be drawn thrice, or of four."""
    names = np.array([f"s{i // 10:02d}" for i in range(200)])
    is_right = np.ones(200, bool)
    is_right[np.arange(4) * (10 if wrong_smears == 4 else 1)] = False
    smears = group_by_smear(names, np.zeros(200, int), np.array([f"f{i:03d}" for i in range(200)]))
    assert choose_threshold(Confidences(np.full(200, 0.9), is_right), smears) == expected


def test_a_threshold_does_not_divide_images_of_equal_confidence() -> None:
    confidence = np.repeat([0.9, 0.5], 50)
    is_right = np.arange(100) < 60  # the first ten of the second half, too
    assert choose_threshold(Confidences(confidence, is_right), one_smear_each(100)) == 0.9


def test_no_confidence_suffices_where_answers_are_guesses() -> None:
    random = np.random.default_rng(0)
    answers = Confidences(random.uniform(0.25, 1, 300), random.random(300) < 0.5)
    assert choose_threshold(answers, one_smear_each(300)) is None
    nothing = at_threshold(answers, None)
    assert nothing["coverage"] == 0
    assert np.isnan(nothing["risk"])


def test_a_handful_of_right_answers_at_the_top_is_no_reason() -> None:
    confidence = np.linspace(1, 0, 200)
    is_right = np.arange(200) < 200 * LEAST_COVERAGE / 2
    assert choose_threshold(Confidences(confidence, is_right), one_smear_each(200)) is None


@pytest.mark.parametrize(
    ("right_smears", "smears", "expected"),
    [
        pytest.param(4, 40, 0.9, id="a tenth of the images is enough"),
        pytest.param(1, 8, None, id="a third of the drawings has none of the smear: no answer"),
    ],
)
def test_what_is_answered_is_answered_in_most_drawings(
    right_smears: int, smears: int, expected: float | None
) -> None:
    is_right = np.arange(smears) < right_smears
    answers = Confidences(np.where(is_right, 0.9, 0.4), is_right)
    assert choose_threshold(answers, one_smear_each(smears)) == expected


@pytest.mark.parametrize(
    ("classes", "wrong", "expected"), [(2, 1, 0.9), (2, 2, None), (1, 1, None)]
)
def test_the_risk_aimed_at_may_be_reached(classes: int, wrong: int, expected: float | None) -> None:
    """Of 20 copies one wrong one is 5 %: of two smears, which every drawing has class by class."""
    smear = np.repeat([0, 1], 10)
    names = np.array([f"f{i:02d}" for i in range(20)])
    smears = group_by_smear(smear.astype(np.str_), smear % classes, names)
    answers = Confidences(np.full(20, 0.9), np.arange(20) >= wrong)
    assert choose_threshold(answers, smears) == expected


def test_all_right_means_every_answer_is_given() -> None:
    answers = draw_answers()._replace(is_right=np.ones(400, bool))
    figures = selective_figures(answers, one_smear_each(400), draw_answers(seed=1))
    assert figures["threshold"] == answers.confidence.min()
    assert figures["validation"]["coverage"] == 1
    curve = figures["test"]["curve"]
    assert len(curve["coverage"]) == len(curve["risk"]) <= 101
    assert curve["coverage"][-1] == 1
