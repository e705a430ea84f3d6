"""Every figure of a part under many weightings of its smears at once, by matrix algebra.

part = SmearPart(labels, probabilities, smears.of_image, num_smears=len(smears.name))
figures = weighted_figures(part, np.ones((1, len(smears.name))))     # the figures themselves
figures = weighted_figures(part, draws)                              # of 2000 resamples, [2000]

A figure of a resample needs no pass over the images: each is made of sums over images, so each
smear's part of the sums is taken once and weighted. `metrics` gives the same from scikit-learn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from wbc_jax.evaluation.calibration import NUM_BINS, bin_of

Figures = dict[str, Float[np.ndarray, "..."]]


@dataclass(frozen=True)
class SmearPart:
    """Answers of a network to the images of a part, and the smears that these show.

    Attributes:
        labels: class of each image, in [0, k).
        probabilities: rows summing to 1; the most probable class is the answer.
        of_image: smear of each image, in [0, num_smears); all images of a smear are of one class.
        num_smears: how many there are.
        scaled: the probabilities after temperature scaling, where there are any.
        values: further numbers of each image, whose mean is wanted.
    """

    labels: Int[np.ndarray, " n"]
    probabilities: Float[np.ndarray, "n k"]
    of_image: Int[np.ndarray, " n"]
    num_smears: int
    scaled: Float[np.ndarray, "n k"] | None = None
    values: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)


def weighted_figures(part: SmearPart, weights: Float[np.ndarray, "r s"]) -> Figures:
    """Returns each figure once per weighting.

    Args:
        part: of the network.
        weights: of each smear, not negative; those of its images are the same.

    Returns:
        [r]: `categorical_accuracy`, `balanced_accuracy`, `macro_f1`, `mcc`, `auroc_macro`, `brier`,
        `ece`, `ece_scaled` (where there is such) and the mean of each of `part.values`;
        [r, k]: `precision`, `recall`, `f1`, `auroc`. A class without weight has no recall, F1 or
        AUROC: NaN, which macro figures leave out. Precision of a class that is never the answer
        is 0.
    """
    confusion = weighted_confusion(part, weights)
    figures = confusion_figures(confusion)
    auroc = _auroc(part, weights)
    figures |= {"auroc": auroc, "auroc_macro": nan_mean(auroc)}
    truth = np.eye(part.probabilities.shape[1])[part.labels]
    squares = ((part.probabilities - truth) ** 2).sum(axis=1)
    total = confusion.sum(axis=(1, 2))
    for name, values in {**part.values, "brier": squares}.items():
        sums = np.bincount(part.of_image, weights=values, minlength=part.num_smears)
        figures[name] = weights @ sums / total
    for name, probabilities in (("ece", part.probabilities), ("ece_scaled", part.scaled)):
        if probabilities is not None:
            gaps = weights @ _bin_gaps(part, probabilities)
            figures[name] = np.abs(gaps).sum(axis=1) / total
    return figures


def weighted_confusion(
    part: SmearPart, weights: Float[np.ndarray, "r s"]
) -> Float[np.ndarray, "r k k"]:
    """Returns a confusion matrix per weighting: rows true, columns predicted classes."""
    num_classes = part.probabilities.shape[1]
    cell = part.labels * num_classes + part.probabilities.argmax(axis=1)
    counts = _table(part.of_image, cell, (part.num_smears, num_classes**2))
    return (weights @ counts).reshape(-1, num_classes, num_classes)


def nan_mean(values: Float[np.ndarray, "r k"]) -> Float[np.ndarray, " r"]:
    """Returns the mean of what is defined in each row, NaN where nothing is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1))


def confusion_figures(confusion: Float[np.ndarray, "r k k"]) -> Figures:
    """Returns the figures that need no more than confusion matrices, see `weighted_figures`.

    Args:
        confusion: rows true, columns predicted classes; one without weight has no figures: NaN.

    Source: Gorodkin (2004) for the correlation of truth and answer over k classes.
    """
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    true, said = confusion.sum(axis=2), confusion.sum(axis=1)
    total = true.sum(axis=1)
    recall, f1 = _ratio(hits, true), _ratio(2 * hits, np.where(true > 0, true + said, 0))
    covariance = hits.sum(axis=1) * total - (true * said).sum(axis=1)
    spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (said**2).sum(axis=1))
    return {
        "categorical_accuracy": _ratio(hits.sum(axis=1), total),
        "balanced_accuracy": nan_mean(recall),
        "macro_f1": nan_mean(f1),
        "mcc": np.nan_to_num(_ratio(covariance, np.sqrt(np.maximum(spread, 0)))),
        "precision": np.nan_to_num(_ratio(hits, said)),
        "recall": recall,
        "f1": f1,
    }


def _auroc(part: SmearPart, weights: Float[np.ndarray, "r s"]) -> Float[np.ndarray, "r k"]:
    """Returns the area under each class's one-vs-rest ROC curve per weighting.

    It is the share of pairs of an image of the class and another in which the former scores
    higher, ties counting half (Hanley and McNeil, 1982): how much weight of the others lies below
    each image of the class.
    """
    areas = np.empty((len(weights), part.probabilities.shape[1]))
    for label in range(areas.shape[1]):
        is_class = part.labels == label
        own, others = part.probabilities[is_class, label], part.probabilities[~is_class, label]
        rising = np.argsort(others)
        first, last = (np.searchsorted(others[rising], own, side) for side in ("left", "right"))
        of_own, of_others = part.of_image[is_class], part.of_image[~is_class][rising]
        for row, weight in enumerate(weights):
            below = np.concatenate([[0.0], np.cumsum(weight[of_others])])
            pairs = weight[of_own].sum() * below[-1]
            won = weight[of_own] @ (below[first] + below[last]) / 2
            areas[row, label] = won / pairs if pairs else np.nan
    return areas


def _bin_gaps(part: SmearPart, probabilities: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "s m"]:
    """Returns, per smear and bin of confidence, right answers less their confidences."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    gaps = (probabilities.argmax(axis=1) == part.labels) - confidence
    bins = bin_of(confidence, NUM_BINS)
    return _table(part.of_image, bins, (part.num_smears, NUM_BINS), gaps)


def _table(
    rows: Int[np.ndarray, " n"],
    columns: Int[np.ndarray, " n"],
    shape: tuple[int, int],
    values: Float[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, "r c"]:
    """Returns the sums of `values`, or the counts, that fall into each cell."""
    cells = np.bincount(rows * shape[1] + columns, weights=values, minlength=shape[0] * shape[1])
    return cells.reshape(shape).astype(np.float64)


def _ratio(
    numerator: Float[np.ndarray, "..."], denominator: np.ndarray
) -> Float[np.ndarray, "..."]:
    """Returns quotients, NaN where the denominator is zero."""
    empty = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=empty, where=denominator > 0)
