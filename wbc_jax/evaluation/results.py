"""What a run leaves: `results.json` and `predictions.npz`.

write_predictions(workdir, test, probabilities)
write_results(workdir, results)                    # last of all: it says the run is finished
"""

import io
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from wbc_jax.atomic_files import write_bytes, write_json
from wbc_jax.data.examples import Examples
from wbc_jax.evaluation.metrics import METRICS, classification_summary, example_metrics

# Compiled as one: op by op they are a dozen programs, two seconds at a first run's first test.
_example_metrics = jax.jit(example_metrics)

RESULTS = "results.json"
PREDICTIONS = "predictions.npz"


def mean_metrics(
    logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]
) -> dict[str, float]:
    """Returns both losses and both accuracies, each the mean over all examples."""
    values = _example_metrics(jax.numpy.asarray(logits), jax.numpy.asarray(labels))
    # Summed in float64 on the host: the same figure whatever the number of examples.
    return {name: float(np.asarray(values[name], np.float64).mean()) for name in METRICS}


def final_test_figures(
    logits: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"], classes: tuple[str, ...]
) -> dict[str, Any]:
    """Returns the `test` entry of `results.json`."""
    predictions = logits.argmax(axis=-1)
    return mean_metrics(logits, labels) | classification_summary(labels, predictions, classes)


def softmax(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Returns class probabilities, each row summing to 1."""
    return np.asarray(jax.nn.softmax(logits, axis=-1))


def write_predictions(
    workdir: Path, examples: Examples, probabilities: Float[np.ndarray, "n k"]
) -> None:
    """Writes filename, label and probabilities of every example, in the examples' order."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        filename=examples.filename,
        label=examples.label,
        probabilities=probabilities.astype(np.float32),
    )
    write_bytes(workdir / PREDICTIONS, buffer.getvalue())


def write_results(workdir: Path, results: dict[str, Any]) -> None:
    """Writes `results.json`."""
    write_json(workdir / RESULTS, results)
