"""Numbers from logits: four per example on the device, the final ones from scikit-learn.

sums = {name: values.sum() for name, values in example_metrics(logits, labels).items()}
summary = classification_summary(labels, predictions, classes)
summary |= probability_summary(labels, probabilities, classes)
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from wbc_jax.evaluation.calibration import expected_calibration_error
from wbc_jax.training.losses import LOSSES


def categorical_accuracy(
    logits: Float[Array, "*b k"], labels: Int[Array, "*b"]
) -> Float[Array, "*b"]:
    """1 where the largest logit is the label's, else 0."""
    return (jnp.argmax(logits, axis=-1) == labels).astype(jnp.float32)


def binary_accuracy(logits: Float[Array, "*b k"], labels: Int[Array, "*b"]) -> Float[Array, "*b"]:
    """Share of the k softmax outputs on the right side of 0.5.

    This is what Keras reports as "accuracy" beside binary cross-entropy: a model that says 1/4
    everywhere scores 0.75 with four classes. It is not the share of images classified correctly.

    Args:
        logits: any finite values.
        labels: integers in [0, k).

    Returns:
        One share in [0, 1] per example.
    """
    said = jax.nn.softmax(logits, axis=-1) > 0.5
    truth = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
    return (said == truth).mean(axis=-1)


def example_metrics(
    logits: Float[Array, "*b k"], labels: Int[Array, "*b"]
) -> dict[str, Float[Array, "*b"]]:
    """Both losses and both accuracies of every example, by name."""
    metrics = {name: loss(logits, labels) for name, loss in LOSSES.items()}
    metrics["categorical_accuracy"] = categorical_accuracy(logits, labels)
    metrics["binary_accuracy"] = binary_accuracy(logits, labels)
    return metrics


METRICS = (*LOSSES, "categorical_accuracy", "binary_accuracy")


def classification_summary(
    labels: Int[np.ndarray, " n"], predictions: Int[np.ndarray, " n"], classes: Sequence[str]
) -> dict[str, Any]:
    """Confusion matrix and the figures made from it, by scikit-learn.

    Args:
        labels: true classes, integers in [0, len(classes)).
        predictions: predicted classes, the same.
        classes: their names.

    Returns:
        `macro_f1`, `balanced_accuracy`, `mcc`, `per_class` (precision, recall, f1, support by name)
        and `confusion_matrix` (rows true, columns predicted). A class that was never predicted has
        precision 0, one that does not occur NaN for recall and F1; macro F1 and balanced accuracy
        are means over the classes that do occur.
    """
    from sklearn import metrics  # a second of import that training's start does not need

    indices = np.arange(len(classes))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predictions, labels=indices, zero_division=0
    )
    recall, f1 = (np.where(support > 0, values, np.nan) for values in (recall, f1))
    return {
        "macro_f1": float(np.nanmean(f1)),
        "balanced_accuracy": float(np.nanmean(recall)),
        "mcc": float(metrics.matthews_corrcoef(labels, predictions)),
        "per_class": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, name in enumerate(classes)
        },
        "confusion_matrix": metrics.confusion_matrix(labels, predictions, labels=indices).tolist(),
    }


def probability_summary(
    labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n k"], classes: Sequence[str]
) -> dict[str, Any]:
    """Figures that judge probabilities and not only answers.

    Args:
        labels: true classes, integers in [0, len(classes)).
        probabilities: rows summing to 1.
        classes: their names.

    Returns:
        `auroc`, one-vs-rest of each class and their mean as `macro`, in [0, 1], NaN for a class
        that all examples or none are of; `brier`, the squared distance of probabilities and
        one-hot label summed over the classes, in [0, 2]; `ece`.

    Source: Brier (1950) for the sum over classes.
    """
    from sklearn import metrics

    truth = np.eye(len(classes), dtype=bool)[labels]
    auroc = {
        name: float(metrics.roc_auc_score(truth[:, i], probabilities[:, i]))
        for i, name in enumerate(classes)
        if truth[:, i].any() and not truth[:, i].all()
    }
    macro = float(np.mean(list(auroc.values()))) if auroc else float("nan")
    return {
        "auroc": {name: auroc.get(name, float("nan")) for name in classes} | {"macro": macro},
        "brier": float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        "ece": expected_calibration_error(probabilities, labels),
    }
