"""One run as figures and one page for people who would rather look than read.

write_report(read_run(Path("runs/alexnet-paper-seed0")), test_images)    # -> .../report.html
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from wbc_jax.errors import UserError
from wbc_jax.reporting import leaky, paper, plots
from wbc_jax.reporting.examples import choose_examples
from wbc_jax.reporting.report_figures import Drawn, draw_curves, draw_scores
from wbc_jax.reporting.run_files import (
    Predictions,
    Run,
    read_predictions,
    read_smear_predictions,
)
from wbc_jax.reporting.run_page import write_run_page
from wbc_jax.reporting.score_rows import class_rows, score_rows
from wbc_jax.reporting.window_plots import window_sheet

_SHEET_ROWS, _SHEET_COLUMNS = 4, 6


def write_report(run: Run, test_images: UInt8[np.ndarray, "n h w c"]) -> Path:
    """Writes `figures/*.svg`, `figures/*.png` and `report.html` into a run's directory.

    Args:
        run: finished or about to; its predictions are in its directory.
        test_images: every test image as the network sees it, 0 to 255, gray (c = 1) or RGB
            (c = 3), in the order of predictions.npz.

    Returns:
        The path of report.html.

    Raises:
        UserError: the predictions are missing or damaged, or `test_images` are not those of the
            run.
    """
    predictions = read_predictions(run)
    if len(test_images) != len(predictions.labels):
        raise UserError(
            f"{run.path} was tested on {len(predictions.labels)} images, but {len(test_images)} "
            "were given; prepare the data of the run's own config.json and try again"
        )
    classes = run.results["classes"]
    return write_run_page(
        run,
        "report.html",
        _draw(run, predictions, test_images),
        model_title=paper.model_title(run.results["model"]),
        chance=1 / len(classes),
        binary_chance=paper.binary_chance(len(classes)),
        leaky_words=leaky.WORDS,
        rows=score_rows(run.results),
        class_rows={level: class_rows(run.results, level) for level in ("image", "smear")},
        sheet=_sheet_rows(run, predictions),
    )


def _draw(
    run: Run, predictions: Predictions, images: UInt8[np.ndarray, "n h w c"]
) -> dict[str, Drawn]:
    """Returns the page's figures by name, in its order."""
    smears = read_smear_predictions(run)
    answers = (predictions.labels, predictions.probabilities)
    sheet = plots.prediction_sheet(
        images, *answers, run.results["classes"], rows=_SHEET_ROWS, columns=_SHEET_COLUMNS
    )
    drawn = {
        **draw_curves(run.results),
        **draw_scores(run.results, answers, (smears.labels, smears.probabilities)),
        "predictions": Drawn(
            sheet,
            "Test images with true class, predicted class and its probability; the table below "
            "lists the same.",
        ),
    }
    if run.config.get("data", {}).get("view") == "white_cell":
        drawn["windows"] = Drawn(
            window_sheet(images, predictions.labels, run.results["classes"]),
            "Test images of every class as the network gets them: windows around the white cell.",
        )
    return drawn


def _sheet_rows(run: Run, predictions: Predictions) -> list[dict[str, Any]]:
    """Returns what the prediction sheet shows, in its order, for the table beneath it."""
    classes, labels = run.results["classes"], predictions.labels
    chosen = choose_examples(labels, predictions.probabilities, _SHEET_ROWS * _SHEET_COLUMNS)
    answers = predictions.probabilities.argmax(axis=1)
    return [
        {
            "filename": predictions.filenames[index],
            "true": classes[labels[index]],
            "predicted": classes[answers[index]],
            "probability": float(predictions.probabilities[index].max()),
            "is_right": bool(answers[index] == labels[index]),
        }
        for index in chosen
    ]
