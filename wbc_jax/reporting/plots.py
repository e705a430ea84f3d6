"""The figures, from plain arrays and dicts to matplotlib Figures.

    figure = accuracy_curves(results["epochs"], title="AlexNet")
    figure.savefig("accuracy.svg")

Nothing here touches pyplot, a file or a run directory, so that the TensorBoard log can use the
same figures. Every series differs in colour, line and marker, so no figure needs colour to be
read.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.figure import Figure

from wbc_jax.reporting.epochs import METRIC_NAMES, Epochs, metric_values
from wbc_jax.reporting.examples import choose_examples
from wbc_jax.reporting.figure_style import (
    BLACK,
    BLUE,
    GREY,
    VERMILLION,
    epoch_axis,
    marked,
    new_figure,
    number_corner,
    plain_text,
    show_pixels,
    styled,
)
from wbc_jax.reporting.number_text import percent

_DARK = 0.72  # share whose blue is dark enough for white letters: a contrast of 4.5 either way
# Line and filling of the markers, by part.
_SPLIT_LOOKS = {
    "test": ("-", "full"),
    "validation": (":", "left"),
    "train": ("--", "none"),
    "train_at_rest": ("-.", "bottom"),
}


@styled
def accuracy_curves(epochs: Epochs, *, title: str) -> Figure:
    """Draws accuracy per epoch, as in Figures 2a-6a of the paper.

    Both accuracies are drawn and named: categorical (the most probable class is the true one)
    and binary (outputs on the right side of 0.5).

    Args:
        epochs: as in results.json: `epoch`, `train`, `test` and, where there is such a part,
            `validation`, with fractions in [0, 1].
        title: what was trained on what.

    Returns:
        A figure of one axes with a line per metric and part.
    """
    return _curves(epochs, ("categorical_accuracy", "binary_accuracy"), title)


@styled
def loss_curves(epochs: Epochs, *, title: str) -> Figure:
    """Draws loss per epoch, as in Figures 2b-6b of the paper.

    Args:
        epochs: as in results.json: `epoch`, `train`, `test` and, where there is such a part,
            `validation`, with losses in nats.
        title: what was trained on what.

    Returns:
        A figure of one axes with a line per metric and part.
    """
    return _curves(epochs, ("binary_cross_entropy", "softmax_cross_entropy"), title)


@styled
def confusion_matrix(
    matrix: Int[np.ndarray, "k k"], classes: Sequence[str], *, title: str
) -> Figure:
    """Draws counts, and under each its share of the row.

    Args:
        matrix: rows are true classes, columns predicted ones; counts.
        classes: names in label order.
        title: what was tested.
    """
    counts = np.asarray(matrix)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = 1.6 + 0.82 * len(classes)
    figure = new_figure(side + 0.5, side)
    axes = figure.add_subplot()
    # Cells as vector patches rather than an image: sharp edges at any zoom.
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    for row, column in np.ndindex(counts.shape):
        share = percent(shares[row, column]) if totals[row, 0] else "–"
        colour = "white" if shares[row, column] > _DARK else BLACK
        place: dict[str, Any] = {"ha": "center", "color": colour}
        axes.text(column + 0.5, row + 0.48, f"{counts[row, column]}", va="bottom", **place)
        axes.text(column + 0.5, row + 0.56, share, va="top", fontsize=7.5, **place)
    ticks = np.arange(len(classes)) + 0.5
    names = [plain_text(name) for name in classes]
    axes.set_xticks(ticks, names)
    if max(map(len, classes)) > 11:
        axes.tick_params(axis="x", labelrotation=30)
    rows = zip(names, totals[:, 0], strict=True)
    axes.set_yticks(ticks, [f"{name}\nn = {total}" for name, total in rows])
    axes.set(xlabel="Predicted class", ylabel="True class", aspect="equal")
    axes.set_title(plain_text(title))
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


@styled
def prediction_sheet(
    images: UInt8[np.ndarray, "n h w c"],
    labels: Int[np.ndarray, " n"],
    probabilities: Float[np.ndarray, "n k"],
    classes: Sequence[str],
    *,
    rows: int,
    columns: int,
) -> Figure:
    """Draws test images with what the model said of them, the most confident mistakes first.

    A mistake carries a cross before its answer and a thick frame. Which images are shown
    is `choose_examples`'s rule; the number in an image's corner is its place in that choice.

    Args:
        images: what the network sees, 0 to 255; one channel (gray) or three (RGB).
        labels: true class indices.
        probabilities: softmax outputs.
        classes: names in label order.
        rows: most rows of images; fewer where there are not enough images.
        columns: images in a row.
    """
    chosen = choose_examples(labels, probabilities, rows * columns)
    rows = max(1, -(-chosen.size // columns))
    figure = new_figure(1.22 * columns, 1.55 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, index in zip(grid, chosen, strict=False):
        show_pixels(axes, images[index])
        answer = int(probabilities[index].argmax())
        is_right = answer == labels[index]
        axes.set_title(
            f"{'✓' if is_right else '✗'} {plain_text(classes[answer])} "
            f"{percent(float(probabilities[index, answer]), decimals=0)}\n"
            f"true: {plain_text(classes[labels[index]])}",
            fontsize=7,
            fontweight="normal" if is_right else "bold",
            pad=4,
        )
        axes.spines[:].set(
            visible=True,
            color=GREY if is_right else VERMILLION,
            linewidth=0.6 if is_right else 2.4,
        )
    for place, axes in enumerate(grid, start=1):
        axes.grid(visible=False)
        axes.set(xticks=[], yticks=[])
        if place > chosen.size:
            axes.set_axis_off()
            continue
        number_corner(axes, place, fontsize=6)
    return figure


def _curves(epochs: Epochs, metrics: Sequence[str], title: str) -> Figure:
    figure = new_figure(5, 3.6)
    axes = figure.add_subplot()
    numbers = [epoch["epoch"] for epoch in epochs]
    splits = [split for split in _SPLIT_LOOKS if split in epochs[0]]
    for metric, colour, marker in zip(metrics, (BLUE, VERMILLION), ("o", "s"), strict=True):
        for split in splits:
            line, fill = _SPLIT_LOOKS[split]
            axes.plot(
                numbers,
                metric_values(epochs, split, metric),
                color=colour,
                marker=marker,
                linestyle=line,
                fillstyle=fill,
                markerfacecoloralt="white",
                markevery=marked(numbers, offset=len(axes.lines)),
                label=f"{METRIC_NAMES[metric]}, {split.replace('_', ' ')}",
                clip_on=False,
            )
            if fill == "none":  # white inside, so that lines do not shine through
                axes.lines[-1].set(fillstyle="full", markerfacecolor="white")
    is_accuracy = metrics[0].endswith("accuracy")
    epoch_axis(axes, "Accuracy" if is_accuracy else "Cross-entropy", is_accuracy=is_accuracy)
    axes.set_title(plain_text(title))
    figure.legend(loc="outside lower center", ncols=2)
    return figure
