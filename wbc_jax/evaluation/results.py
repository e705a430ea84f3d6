"""What a run leaves: `results.json`, and the answers to every image and to every smear.

write_predictions(workdir, test, probabilities)
write_results(workdir, results)                    # last of all: it says the run is finished
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from wbc_jax import run_names
from wbc_jax.atomic_files import write_json
from wbc_jax.data.examples import Examples
from wbc_jax.evaluation.metrics import METRICS, example_metrics
from wbc_jax.evaluation.smears import Smears
from wbc_jax.reporting.run_arrays import write_arrays

# Compiled as one: op by op they are a dozen programs, two seconds at a first run's first test.
_example_metrics = jax.jit(example_metrics)


class PartLogits(NamedTuple):
    """Logits of the parts of the data that are not trained on: of classes, or maps of them.

    Attributes:
        validation: of the examples held out of training; no rows where none are.
        test: of the test images.
    """

    validation: Float[np.ndarray, "v ..."]
    test: Float[np.ndarray, "n ..."]


def metrics_of_examples(
    logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]
) -> dict[str, Float[np.ndarray, " n"]]:
    """Returns both losses and both accuracies of every example, in float64."""
    values = _example_metrics(jax.numpy.asarray(logits), jax.numpy.asarray(labels))
    # On the host: sums are then the same figure whatever the number of examples.
    return {name: np.asarray(values[name], np.float64) for name in METRICS}


def mean_metrics(
    logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]
) -> dict[str, float]:
    """Returns both losses and both accuracies, each the mean over all examples."""
    return {
        name: float(values.mean()) for name, values in metrics_of_examples(logits, labels).items()
    }


def softmax(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Returns class probabilities, each row summing to 1."""
    return np.asarray(jax.nn.softmax(logits, axis=-1))


def write_predictions(
    workdir: Path,
    examples: Examples,
    probabilities: Float[np.ndarray, "n k"],
    name: str = run_names.PREDICTIONS,
) -> None:
    """Writes filename, source, label and probabilities of every example, in their order."""
    write_arrays(
        workdir / name,
        filename=examples.filename,
        source=examples.source,
        label=examples.label,
        probabilities=probabilities.astype(np.float32),
    )


def write_smear_predictions(
    workdir: Path, smears: Smears, probabilities: Float[np.ndarray, "s k"]
) -> None:
    """Writes name, label, number of images and mean probabilities of every test smear."""
    write_arrays(
        workdir / run_names.SMEAR_PREDICTIONS,
        source=smears.name,
        label=smears.label,
        num_images=np.bincount(smears.of_image, minlength=len(smears.name)),
        probabilities=probabilities.astype(np.float32),
    )


def write_results(workdir: Path, results: dict[str, Any]) -> None:
    """Writes `results.json`."""
    write_json(workdir / run_names.RESULTS, results)
