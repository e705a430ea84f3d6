"""When a network had better not answer: risk against coverage, and the confidence it must have.

figures = selective_figures(validation, validation_smears, test)
figures["threshold"]                               # answers below it are "uncertain"

An answer is given where its probability reaches a threshold. Coverage is the share of images that
get one, risk the share of wrong ones among these. The threshold is the lowest that keeps to a risk
in 95 % of the drawings of validation smears, whose copies are no independent trials. That is no
promise: it is the most favourable of many thresholds, and with 54 smears up to three in ten such
thresholds have a true risk above the aim. What one is worth, the test images say.

Source: El-Yaniv and Wiener (2010), "On the foundations of noise-free selective classification";
Geifman and El-Yaniv (2017), "Selective classification for deep neural networks".
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from wbc_jax.evaluation.intervals import draw_smears, strata_of
from wbc_jax.evaluation.smears import Smears

TARGET_RISK = 0.05  # share of wrong answers among those given that is aimed at, on validation
SURENESS = 0.95  # share of the drawings of smears that keep to it
LEAST_COVERAGE = 0.1  # what is right in fewer images than this share may be right by luck
_RESAMPLES = 1000
_BLOCK = 4096  # images at a time
_CURVE_POINTS = 101  # of a curve in results.json


class Confidences(NamedTuple):
    """How surely some images were answered.

    Attributes:
        confidence: calibrated probability of each answer.
        is_right: whether it is the true class.
    """

    confidence: Float[np.ndarray, " n"]
    is_right: Bool[np.ndarray, " n"]


class Curve(NamedTuple):
    """Risk of every coverage, from the most confident answer on.

    Attributes:
        threshold: the least confidence that is answered, falling; in [0, 1].
        coverage: share of images that reach it, rising to 1.
        risk: share of wrong answers among them.
    """

    threshold: Float[np.ndarray, " m"]
    coverage: Float[np.ndarray, " m"]
    risk: Float[np.ndarray, " m"]


def risk_coverage(answers: Confidences) -> Curve:
    """Returns the curve; images of equal confidence are answered together or not at all.

    Args:
        answers: of at least one image.
    """
    order, is_last = _falling(answers.confidence)
    answered = np.arange(1, len(order) + 1)
    risk = np.cumsum(~answers.is_right[order]) / answered
    confidence = answers.confidence[order].astype(np.float64)
    return Curve(confidence[is_last], (answered / len(order))[is_last], risk[is_last])


def choose_threshold(answers: Confidences, smears: Smears) -> float | None:
    """Returns the lowest confidence that keeps to `TARGET_RISK`; None where none does.

    Args:
        answers: of validation images, never of those that it will be judged on.
        smears: which they show.
    """
    order, is_last = _falling(answers.confidence)
    draws = draw_smears(*strata_of(smears.shows), resamples=_RESAMPLES)
    slide, is_wrong = smears.slide[smears.of_image[order]], ~answers.is_right[order]
    wrong, total, risks = np.zeros((len(draws), 1)), np.zeros((len(draws), 1)), []
    for first in range(0, len(order), _BLOCK):  # a table of all would take gigabytes
        block = slice(first, first + _BLOCK)
        weights = draws[:, slide[block]]
        wrong = wrong[:, -1:] + np.cumsum(weights * is_wrong[block], axis=1)
        total = total[:, -1:] + np.cumsum(weights, axis=1)
        risk = np.divide(wrong, total, out=np.ones_like(wrong), where=total > 0)
        risks.append(np.quantile(risk, SURENESS, axis=0))
    coverage = np.arange(1, len(order) + 1) / len(order)
    fits = (np.concatenate(risks) <= TARGET_RISK) & is_last & (coverage >= LEAST_COVERAGE)
    return float(answers.confidence[order][fits].min()) if fits.any() else None


def at_threshold(answers: Confidences, threshold: float | None) -> dict[str, float]:
    """Returns `coverage` and `risk` of some images under a threshold; no risk without answers."""
    is_answered = np.zeros(len(answers.confidence), bool)
    if threshold is not None:
        is_answered = answers.confidence >= threshold
    risk = float((~answers.is_right[is_answered]).mean()) if is_answered.any() else float("nan")
    return {"coverage": float(is_answered.mean()), "risk": risk}


def selective_figures(
    validation: Confidences, validation_smears: Smears, test: Confidences
) -> dict[str, Any]:
    """Returns the entry `selective` of `results.json`.

    Args:
        validation: answers that the threshold is chosen by.
        validation_smears: which smears they show.
        test: the same of the test images, which have no part in the choice.
    """
    threshold = choose_threshold(validation, validation_smears)
    return {
        "target_risk": TARGET_RISK,
        "sureness": SURENESS,
        "least_coverage": LEAST_COVERAGE,
        "threshold": threshold,
        "num_smears": len(validation_smears.shows),
        **{
            name: at_threshold(part, threshold) | {"curve": _thinned(risk_coverage(part))}
            for name, part in (("validation", validation), ("test", test))
        },
    }


def _falling(
    confidence: Float[np.ndarray, " n"],
) -> tuple[Int[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Returns the order from the most confident on, and which are the last of equal ones."""
    order = np.argsort(-confidence, kind="stable")
    falls = confidence[order][1:] < confidence[order][:-1]
    return order, np.append(falls, True)


def _thinned(curve: Curve) -> dict[str, list[float]]:
    """Returns a curve of at most so many points, its ends among them."""
    rows = np.unique(np.linspace(0, len(curve.risk) - 1, _CURVE_POINTS).round().astype(int))
    return {"coverage": curve.coverage[rows].tolist(), "risk": curve.risk[rows].tolist()}
