"""When a network had better not answer: risk against coverage, and the confidence it must have.

choice = choose_threshold(validation_confidence, is_right)
choice.threshold                                   # answers below it are "uncertain"

An answer is given where its probability reaches a threshold. Coverage is the share of images that
get one, risk the share of wrong ones among these.

Source: El-Yaniv and Wiener (2010), "On the foundations of noise-free selective classification";
Geifman and El-Yaniv (2017), "Selective classification for deep neural networks".
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

TARGET_RISK = 0.05  # share of wrong answers among those given that is aimed at, on validation
LEAST_COVERAGE = 0.1  # what is right in fewer images than this share may be right by luck
_CURVE_POINTS = 101  # of a curve in results.json


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


def risk_coverage(confidence: Float[np.ndarray, " n"], is_right: Bool[np.ndarray, " n"]) -> Curve:
    """Returns the curve; images of equal confidence are answered together or not at all.

    Args:
        confidence: probability of each answer.
        is_right: whether it is the true class.
    """
    order = np.argsort(-confidence, kind="stable")
    confidence, is_wrong = confidence[order].astype(np.float64), ~is_right[order]
    answered = np.arange(1, len(confidence) + 1)
    is_last = np.append(confidence[1:] < confidence[:-1], True)[: len(confidence)]
    risk = np.cumsum(is_wrong) / answered
    return Curve(confidence[is_last], (answered / max(len(confidence), 1))[is_last], risk[is_last])


def choose_threshold(curve: Curve) -> float | None:
    """Returns the lowest confidence whose answers keep to `TARGET_RISK`; None where none does.

    Args:
        curve: of validation images, never of those that it will be judged on.
    """
    fits = (curve.risk <= TARGET_RISK) & (curve.coverage >= LEAST_COVERAGE)
    return float(curve.threshold[fits].min()) if fits.any() else None


def at_threshold(
    confidence: Float[np.ndarray, " n"], is_right: Bool[np.ndarray, " n"], threshold: float | None
) -> dict[str, float]:
    """Returns `coverage` and `risk` of some images under a threshold; no risk without answers."""
    is_answered = np.zeros(len(confidence), bool) if threshold is None else confidence >= threshold
    risk = float((~is_right[is_answered]).mean()) if is_answered.any() else float("nan")
    return {"coverage": float(is_answered.mean()), "risk": risk}


def selective_figures(
    validation: tuple[Float[np.ndarray, " v"], Bool[np.ndarray, " v"]],
    test: tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]],
) -> dict[str, Any]:
    """Returns the entry `selective` of `results.json`.

    Args:
        validation: calibrated confidence of every answer, and whether it is right.
        test: the same of the test images, which have no part in the choice.
    """
    curves = {"validation": risk_coverage(*validation), "test": risk_coverage(*test)}
    threshold = choose_threshold(curves["validation"])
    return {
        "target_risk": TARGET_RISK,
        "least_coverage": LEAST_COVERAGE,
        "threshold": threshold,
        **{
            name: at_threshold(*part, threshold) | {"curve": _thinned(curves[name])}
            for name, part in (("validation", validation), ("test", test))
        },
    }


def _thinned(curve: Curve) -> dict[str, list[float]]:
    """Returns a curve of at most so many points, its ends among them."""
    rows = np.unique(np.linspace(0, len(curve.risk) - 1, _CURVE_POINTS).round().astype(int))
    return {"coverage": curve.coverage[rows].tolist(), "risk": curve.risk[rows].tolist()}
