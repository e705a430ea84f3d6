"""All figures of a finished run: of images, of smears, calibration, and their intervals.

scores = score(logits, partition, classes)
scores.figures["test"]["categorical_accuracy"], scores.figures["intervals"]["image"]
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from wbc_jax.data.protocols import Partition
from wbc_jax.evaluation.calibration import (
    ReliabilityBins,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)
from wbc_jax.evaluation.intervals import (
    METHOD,
    cautions,
    draw_smears,
    made_by,
    percentile_intervals,
    shows_all,
    strata_of,
)
from wbc_jax.evaluation.metrics import classification_summary, probability_summary
from wbc_jax.evaluation.results import PartLogits, mean_metrics, metrics_of_examples, softmax
from wbc_jax.evaluation.selective import Confidences, selective_figures
from wbc_jax.evaluation.smears import Smears, group_by_smear, mean_over_copies
from wbc_jax.evaluation.weighted import SmearPart, weighted_figures


class Scores(NamedTuple):
    """Figures of a run and what they were made from.

    Attributes:
        figures: the entries `test`, `test_smears`, `intervals`, `validation` and `selective` of
            `results.json`.
        probabilities: of every test image.
        smears: which the test images show.
        smear_probabilities: of every test smear: the mean over its images.
    """

    figures: dict[str, Any]
    probabilities: Float[np.ndarray, "n k"]
    smears: Smears
    smear_probabilities: Float[np.ndarray, "s k"]


@dataclass(frozen=True)
class _Level:
    """Answers with one row per image, or one per smear."""

    logits: Float[np.ndarray, "m k"]
    probabilities: Float[np.ndarray, "m k"]
    scaled: Float[np.ndarray, "m k"] | None
    labels: Int[np.ndarray, " m"]
    of_image: Int[np.ndarray, " m"]


def score(logits: PartLogits, partition: Partition, classes: tuple[str, ...]) -> Scores:
    """Returns every figure of the test, and the temperature that validation gives.

    Args:
        logits: of the parts' examples; where there are none of validation, nothing is scaled.
        partition: with labels, sources and file names of the same examples.
        classes: names in label order.
    """
    validation, test = partition.validation, partition.test
    has_validation = len(logits.validation) > 0
    temperature = fit_temperature(logits.validation, validation.label) if has_validation else None
    smears = group_by_smear(test.source, test.label, test.filename)
    images = _Level(
        logits.test,
        softmax(logits.test),
        None if temperature is None else softmax(logits.test / np.float32(temperature)),
        test.label,
        smears.of_image,
    )
    of_smears = _of_smears(images, smears)
    num_of_label = np.bincount(smears.label, minlength=len(classes)).tolist()
    per_class = dict(zip(classes, num_of_label, strict=True))
    counts = {
        "temperature": temperature,
        "num_smears": len(smears.name),
        "num_smears_per_class": per_class,
    }
    test_smears = _figures(of_smears, classes) | counts
    num_slides = len(smears.shows)
    draws = draw_smears(*strata_of(smears.shows))
    is_whole = shows_all(draws, smears.shows)
    draws = draws[is_whole][:, smears.slide]
    num_wrong = int((of_smears.probabilities.argmax(axis=1) != smears.label).sum())
    figures = {
        "validation": mean_metrics(logits.validation, validation.label) if has_validation else None,
        "selective": _selective(logits, partition, images, temperature),
        "test": _figures(images, classes) | counts,
        "test_smears": test_smears,
        "intervals": {
            **made_by(METHOD),
            "num_smears": num_slides,
            "notes": cautions(
                per_class,
                num_smears=num_slides,
                num_wrong=num_wrong,
                share_left_out=1 - float(is_whole.mean()),
            ),
            "image": percentile_intervals(_resampled(images, draws), classes),
            "smear": percentile_intervals(_resampled(of_smears, draws), classes),
        },
    }
    return Scores(figures, images.probabilities, smears, of_smears.probabilities)


def _selective(
    logits: PartLogits, partition: Partition, test: _Level, temperature: float | None
) -> dict[str, Any] | None:
    if temperature is None or test.scaled is None:
        return None
    held = partition.validation
    validation = softmax(logits.validation / np.float32(temperature))
    answers = [
        Confidences(scaled.max(axis=-1), scaled.argmax(axis=-1) == labels)
        for scaled, labels in ((validation, held.label), (test.scaled, test.labels))
    ]
    smears = group_by_smear(held.source, held.label, held.filename)
    return selective_figures(answers[0], smears, answers[1])


def _of_smears(images: _Level, smears: Smears) -> _Level:
    probabilities = mean_over_copies(images.probabilities, smears)
    # Their logarithms are logits that have just these probabilities.
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).astype(np.float32)
    scaled = None if images.scaled is None else mean_over_copies(images.scaled, smears)
    return _Level(logits, probabilities, scaled, smears.label, np.arange(len(smears.name)))


def _figures(level: _Level, classes: tuple[str, ...]) -> dict[str, Any]:
    answers = level.probabilities.argmax(axis=-1)
    bins = {"raw": level.probabilities, "scaled": level.scaled}
    return {
        **mean_metrics(level.logits, level.labels),
        **classification_summary(level.labels, answers, classes),
        **probability_summary(level.labels, level.probabilities, classes),
        "ece_scaled": None
        if level.scaled is None
        else expected_calibration_error(level.scaled, level.labels),
        "reliability": {
            name: None
            if probabilities is None
            else _as_lists(reliability_bins(probabilities, level.labels))
            for name, probabilities in bins.items()
        },
    }


def _as_lists(bins: ReliabilityBins) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in bins._asdict().items()}


def _resampled(
    level: _Level, draws: Float[np.ndarray, "r s"]
) -> dict[str, Float[np.ndarray, "..."]]:
    values = metrics_of_examples(level.logits, level.labels)
    del values["categorical_accuracy"]  # weighted_figures has it from the confusion matrix
    part = SmearPart(
        level.labels,
        level.probabilities,
        level.of_image,
        num_smears=draws.shape[1],
        scaled=level.scaled,
        values=values,
    )
    return weighted_figures(part, draws)
