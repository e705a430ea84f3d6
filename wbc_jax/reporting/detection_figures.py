"""Which figures a detector's run has, with a sentence for each: for its page and TensorBoard.

for name, drawn in draw_detections(results, loss, images, seeds, cells).items():
    save_figure(drawn.figure, folder, name, alt=drawn.alt)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from wbc_jax.reporting import detection_plots
from wbc_jax.reporting.detection_plots import Marks
from wbc_jax.reporting.number_text import number, percent
from wbc_jax.reporting.report_figures import Drawn

_SHEET_ROWS, _SHEET_COLUMNS = 3, 3


def draw_detections(
    results: Mapping[str, Any],
    loss: str,
    images: UInt8[np.ndarray, "n h w 3"],
    seeds: Sequence[Marks],
    cells: Sequence[Marks],
) -> dict[str, Drawn]:
    """Returns the figures by name.

    Args:
        results: content of `results.json`.
        loss: name of the loss in its epochs.
        images: every test picture.
        seeds: what was found in each.
        cells: what is there.
    """
    test = results["test"]
    title = f"{results['model']} on {results['dataset']}".capitalize()
    kinds = test["per_kind"]
    f1 = ", ".join(f"{kind} {percent(values['f1'])}" for kind, values in kinds.items())
    bias = ", ".join(f"{kind} {number(values['count_bias'], 2)}" for kind, values in kinds.items())
    shown = np.linspace(0, len(images) - 1, min(len(images), _SHEET_ROWS * _SHEET_COLUMNS))
    shown = np.unique(shown.round().astype(int))
    return {
        "curves": Drawn(
            detection_plots.detection_curves(results["epochs"], loss, title=title),
            f"Loss of training and test, and F1 of each kind per epoch; at the end {f1}.",
        ),
        "radius": Drawn(
            detection_plots.radius_curves(test["radius_curve"], title=title),
            "F1 of each kind over how far a seed may be from the centre of its cell.",
        ),
        "precision_recall": Drawn(
            detection_plots.precision_recall_curves(test["sweep"], kinds, title=title),
            "Precision over recall of each kind as the threshold of the score moves.",
        ),
        "bland_altman": Drawn(
            detection_plots.bland_altman(test, title=title),
            f"Bland-Altman plot of the counts per picture: mean of found less true cells: {bias}.",
        ),
        "pictures": Drawn(
            detection_plots.picture_sheet(
                images[shown],
                [seeds[index] for index in shown],
                [cells[index] for index in shown],
                rows=-(-len(shown) // _SHEET_COLUMNS),
                columns=_SHEET_COLUMNS,
            ),
            f"{len(shown)} test pictures with a circle on every annotated cell and a mark on "
            "every seed.",
        ),
    }
