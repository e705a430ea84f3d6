"""All figures of a run together: of images, of smears, scaled, with intervals."""

import numpy as np
import pytest
import scipy.special

from wbc_jax.atomic_files import to_json
from wbc_jax.data.examples import Examples
from wbc_jax.data.protocols import Partition
from wbc_jax.evaluation.calibration import expected_calibration_error, fit_temperature
from wbc_jax.evaluation.intervals import RESAMPLES, SEED, draw_smears, percentile_interval
from wbc_jax.evaluation.metrics import classification_summary, probability_summary
from wbc_jax.evaluation.results import PartLogits, mean_metrics
from wbc_jax.evaluation.scores import Scores, score
from wbc_jax.evaluation.selective import Confidences, selective_figures
from wbc_jax.evaluation.smears import group_by_smear

CLASSES = ("a", "b", "c")


def draw_examples(num_smears: int, copies: int) -> Examples:
    smears = np.repeat([f"smear_{smear:02d}" for smear in range(num_smears)], copies)
    labels = np.repeat(np.arange(num_smears) % len(CLASSES), copies).astype(np.int32)
    files = np.array([f"{index}.jpeg" for index in range(smears.size)])
    return Examples(np.zeros((smears.size, 1, 1, 1), np.uint8), labels, files, smears, smears)


def draw_logits(examples: Examples, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(scale=2, size=(len(examples.label), 3))
    logits[np.arange(len(logits)), examples.label] += 1.5
    return logits.astype(np.float32)


TEST, VALIDATION = draw_examples(12, 5), draw_examples(9, 4)
NONE = VALIDATION.take(np.arange(0))
LOGITS = PartLogits(draw_logits(VALIDATION, 0), draw_logits(TEST, 1))


@pytest.fixture(scope="module")
def scores() -> Scores:
    return score(LOGITS, Partition(TEST, VALIDATION, TEST), CLASSES)


@pytest.fixture(scope="module")
def unvalidated() -> Scores:
    return score(
        LOGITS._replace(validation=LOGITS.validation[:0]), Partition(TEST, NONE, TEST), CLASSES
    )


def test_figures_of_images_and_of_smears(scores: Scores) -> None:
    of_images = scipy.special.softmax(LOGITS.test, axis=-1)
    of_smears = of_images.reshape(12, 5, 3).mean(axis=1)
    for part, probabilities, labels in (
        ("test", of_images, TEST.label),
        ("test_smears", of_smears, TEST.label[::5]),
    ):
        figures = scores.figures[part]
        expected = classification_summary(labels, probabilities.argmax(axis=1), CLASSES)
        assert {name: figures[name] for name in expected} == expected
        judged = probability_summary(labels, probabilities, CLASSES)
        assert figures["auroc"] == pytest.approx(judged["auroc"])
        assert [figures["brier"], figures["ece"]] == pytest.approx([judged["brier"], judged["ece"]])
        means = mean_metrics(np.log(probabilities).astype(np.float32), labels)
        assert {name: figures[name] for name in means} == pytest.approx(means, rel=1e-5)
        assert sum(figures["reliability"]["raw"]["counts"]) == len(labels)
        assert figures["num_smears"] == 12
        assert figures["num_smears_per_class"] == {"a": 4, "b": 4, "c": 4}
    np.testing.assert_allclose(scores.smear_probabilities, of_smears, rtol=1e-5)
    assert scores.smears.name.tolist() == [f"smear_{smear:02d}" for smear in range(12)]


def test_the_temperature_comes_from_validation_and_scales_the_test(scores: Scores) -> None:
    temperature = fit_temperature(LOGITS.validation, VALIDATION.label)
    assert scores.figures["test"]["temperature"] == temperature
    scaled = scipy.special.softmax(LOGITS.test / temperature, axis=-1)
    for part, probabilities, labels in (
        ("test", scaled, TEST.label),
        ("test_smears", scaled.reshape(12, 5, 3).mean(axis=1), TEST.label[::5]),
    ):
        expected = expected_calibration_error(probabilities, labels)
        assert scores.figures[part]["ece_scaled"] == pytest.approx(expected, abs=1e-6)
    assert scores.figures["validation"] == mean_metrics(LOGITS.validation, VALIDATION.label)


def test_the_least_confidence_is_one_of_scaled_probabilities() -> None:
    """Those that a prediction compares with it."""
    examples, rest = draw_examples(60, 2), draw_examples(30, 2)
    sure = 3 * (draw_logits(rest, 5) + 4 * np.eye(3, dtype=np.float32)[rest.label])
    logits = PartLogits(sure, 3 * draw_logits(examples, 6))
    figures = score(logits, Partition(examples, rest, examples), CLASSES).figures

    def confidences(values: np.ndarray, part: Examples) -> Confidences:
        scaled = scipy.special.softmax(values / figures["test"]["temperature"], axis=-1)
        return Confidences(scaled.max(axis=1), scaled.argmax(axis=1) == part.label)

    expected = selective_figures(
        confidences(logits.validation, rest),
        group_by_smear(rest.source, rest.label, rest.filename),
        confidences(logits.test, examples),
    )
    assert expected["threshold"] is not None
    assert not 0.8 < figures["test"]["temperature"] < 1.25
    assert figures["selective"]["threshold"] == pytest.approx(expected["threshold"], rel=1e-5)
    assert figures["selective"]["test"]["coverage"] == expected["test"]["coverage"]
    assert figures["selective"]["num_smears"] == 30


def test_slides_of_several_classes_are_drawn_whole() -> None:
    """By hand: three neighbouring smears, one of each class, are one slide here."""
    test, validation = (
        part._replace(source=np.char.add("slide_", (np.arange(len(part.label)) // n).astype(str)))
        for part, n in ((TEST, 15), (VALIDATION, 12))
    )
    figures = score(LOGITS, Partition(test, validation, test), CLASSES).figures
    assert figures["intervals"]["num_smears"] == 4
    assert figures["selective"]["num_smears"] == 3
    assert figures["test"]["num_smears"] == 12  # rows at smear level
    of_slide = (LOGITS.test.argmax(axis=1) == test.label).reshape(4, 15).mean(axis=1)
    shares = draw_smears(np.zeros(4, np.intp)) @ of_slide / 4
    ends = figures["intervals"]["image"]["categorical_accuracy"]
    assert ends == pytest.approx(percentile_interval(shares))
    assert "of any class (4)" in figures["intervals"]["notes"][1]


def test_without_validation_nothing_is_scaled(scores: Scores, unvalidated: Scores) -> None:
    figures = unvalidated.figures
    assert figures["validation"] is None
    for part in ("test", "test_smears"):
        assert figures[part]["temperature"] is None
        assert figures[part]["ece_scaled"] is None
        assert figures[part]["reliability"]["scaled"] is None
    assert "ece_scaled" not in figures["intervals"]["image"]
    assert figures["test"]["ece"] == scores.figures["test"]["ece"]


def test_every_figure_has_an_interval_of_images_and_of_smears(scores: Scores) -> None:
    intervals = scores.figures["intervals"]
    stated = {name: intervals[name] for name in ("confidence", "resamples", "seed", "num_smears")}
    assert stated == {"confidence": 0.95, "resamples": RESAMPLES, "seed": SEED, "num_smears": 12}
    assert intervals["notes"] == [
        "One seed: the intervals are over smears alone, and another seed may well lie outside.",
        "Fewer than 10 test smears of a (4), b (4), c (4): intervals from so few are too narrow.",
    ]
    for level, part in (("image", "test"), ("smear", "test_smears")):
        figures, ends = scores.figures[part], intervals[level]
        plain = {name for name, value in figures.items() if isinstance(value, float)}
        assert set(ends) == (plain - {"temperature"}) | {"auroc", "per_class"}
        for name in plain - {"temperature", "ece", "ece_scaled"}:
            assert ends[name][0] <= figures[name] <= ends[name][1], (level, name)
        for name in (*CLASSES, "macro"):
            assert ends["auroc"][name][0] <= figures["auroc"][name] <= ends["auroc"][name][1]


def test_a_test_without_an_error_is_said_to_show_none() -> None:
    """By smears: one image is answered wrongly, and its copies outvote it."""
    test = 4 * np.eye(3, dtype=np.float32)[TEST.label]
    test[0] = (0, 1, 0)
    figures = score(LOGITS._replace(test=test), Partition(TEST, VALIDATION, TEST), CLASSES).figures
    assert figures["test"]["categorical_accuracy"] < 1
    assert figures["intervals"]["notes"][-1].startswith("All 12 smears are answered right")


def test_scoring_twice_gives_the_same(unvalidated: Scores) -> None:
    parts = Partition(TEST, NONE, TEST)
    again = score(LOGITS._replace(validation=LOGITS.validation[:0]), parts, CLASSES)
    assert to_json(again.figures) == to_json(unvalidated.figures)
