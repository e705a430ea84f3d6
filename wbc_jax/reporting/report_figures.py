"""Which figures a run has, with a title and a sentence for each: for its page and for TensorBoard.

for name, drawn in draw_scores(results, predictions, smear_predictions).items():
    save_figure(drawn.figure, folder, name, alt=drawn.alt)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from wbc_jax.reporting import leaky, paper, plots, score_plots
from wbc_jax.reporting.epochs import METRIC_NAMES, metric_values
from wbc_jax.reporting.number_text import number, percent
from wbc_jax.reporting.selective_plots import risk_coverage_curves

# Labels and probabilities of images, or of smears.
Answers = tuple[Int[np.ndarray, " _"], Float[np.ndarray, "_ k"]]


@dataclass(frozen=True)
class Drawn:
    """A figure, and what it shows in words for those who cannot see it."""

    figure: Figure
    alt: str


def draw_curves(results: Mapping[str, Any]) -> dict[str, Drawn]:
    """Returns the curves over the epochs, `accuracy` and `loss`.

    Args:
        results: content of `results.json`.
    """
    title, epochs = _title(results), results["epochs"]
    return {
        "accuracy": Drawn(
            plots.accuracy_curves(epochs, title=f"{title}: accuracy"),
            f"Line chart of {_ends(results, 'categorical_accuracy')}; "
            f"{_ends(results, 'binary_accuracy')}.",
        ),
        "loss": Drawn(
            plots.loss_curves(epochs, title=f"{title}: loss"),
            f"Line chart of {_ends(results, 'binary_cross_entropy')}; "
            f"{_ends(results, 'softmax_cross_entropy')}.",
        ),
    }


def draw_scores(results: Mapping[str, Any], images: Answers, smears: Answers) -> dict[str, Drawn]:
    """Returns the figures of the final test by name.

    Args:
        results: content of `results.json`.
        images: true classes and probabilities of every test image.
        smears: the same of every test smear.
    """
    title, classes = _title(results), results["classes"]
    test, of_smears = results["test"], results["test_smears"]
    panels = {
        f"{results['num_test']:,} images": (*images, test["auroc"]),
        f"{test['num_smears']:,} smears": (*smears, of_smears["auroc"]),
    }
    areas = ", ".join(f"{name} {number(test['auroc'][name], 3)}" for name in classes)
    headings = _calibration_headings(test)
    selective = results.get("selective")
    return {
        "confusion_matrix": _confusion(test, classes, title, "test images"),
        "confusion_matrix_smears": _confusion(of_smears, classes, title, "test smears"),
        "roc": Drawn(
            score_plots.roc_curves(
                panels, classes, title=f"{title}: each class against the others"
            ),
            "ROC curves of each class against the others. Area under them over the images: "
            f"{areas}.",
        ),
        "reliability": Drawn(
            score_plots.reliability_diagram(
                test["reliability"], headings, title=f"{title}: reliability, test images"
            ),
            "Reliability diagram: accuracy of the answers by their confidence. "
            f"{'; '.join(headings.values())}.",
        ),
        **({"risk_coverage": _risk_coverage(selective, title)} if selective else {}),
    }


def _risk_coverage(selective: Mapping[str, Any], title: str) -> Drawn:
    parts = "; ".join(
        f"{name}: {percent(selective[name]['risk'])} wrong of the "
        f"{percent(selective[name]['coverage'])} answered at the threshold"
        for name in ("validation", "test")
    )
    return Drawn(
        risk_coverage_curves(selective, title=f"{title}: leaving unsure answers out"),
        f"Risk against coverage. {parts}.",
    )


def _title(results: Mapping[str, Any]) -> str:
    title = f"{paper.model_title(results['model'])} on {results['dataset']}"
    return leaky.mark(title, is_leaky=results["is_leaky"])


def _confusion(test: Mapping[str, Any], classes: list[str], title: str, of: str) -> Drawn:
    matrix = np.array(test["confusion_matrix"])
    wrong = int(matrix.sum() - np.trace(matrix))
    return Drawn(
        plots.confusion_matrix(matrix, classes, title=f"{title}: {of}"),
        f"Confusion matrix of {int(matrix.sum())} {of} in {len(classes)} classes, {wrong} of them "
        f"off the diagonal (wrong){_mistaken(matrix, classes)}.",
    )


def _mistaken(matrix: np.ndarray, classes: list[str]) -> str:
    """Returns which class is taken for which, and how often, the most frequent first."""
    pairs = [
        (int(matrix[true, said]), f"{classes[true]} as {classes[said]}")
        for true, said in np.ndindex(matrix.shape)
        if true != said and matrix[true, said]
    ]
    pairs.sort(key=lambda pair: -pair[0])
    return "".join(f"{'; ' if i else ': '}{name} {n}" for i, (n, name) in enumerate(pairs))


def _calibration_headings(test: Mapping[str, Any]) -> dict[str, str]:
    headings = {"raw": f"raw: ECE {percent(test['ece'])}"}
    if test["temperature"] is not None:
        temperature = number(test["temperature"], 2)
        headings["scaled"] = f"temperature {temperature}: ECE {percent(test['ece_scaled'])}"
    return headings


def _ends(results: Mapping[str, Any], metric: str) -> str:
    """Returns one sentence part with a curve's first and last test value."""
    values = metric_values(results["epochs"], "test", metric)
    show = percent if metric.endswith("accuracy") else number
    name = METRIC_NAMES[metric].lower()
    if values.size == 1:
        return f"test {name}, {show(values[0])} after one epoch"
    return f"test {name}, from {show(values[0])} to {show(values[-1])} in {values.size} epochs"
