"""How many photographs of blood_cells are answered rightly, by their number and class.

python -m benchmarks.by_number runs/white_cell-cnn-crossval-seed0*

The data set's originals are numbered in the order in which they were taken or filed. Runs of all
folds test each of them once, by a network that has not seen it; that of one run, its test smears.
"""

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from benchmarks.command_line import add_outputs, at_least, create_parser, run
from benchmarks.tables import aligned
from wbc_jax.atomic_files import write_json
from wbc_jax.errors import UserError
from wbc_jax.evaluation.run_groups import answers_by_seed, group_by_setting
from wbc_jax.evaluation.smears import group_by_smear, mean_over_copies
from wbc_jax.prediction.differential import share_with_interval
from wbc_jax.reporting.number_text import interval, percent
from wbc_jax.reporting.run_files import read_predictions, read_run

_PREFIX = "BloodImage_"
_NUMBER = re.compile(_PREFIX + r"\d+")


def main(arguments: Sequence[str]) -> None:
    """Prints the table.

    Raises:
        UserError: a run is missing or unfinished, its smears have no numbers, or the runs are not
            those of the folds of one seed.
    """
    options = _parse(arguments)
    runs = [read_run(path) for path in options.runs]
    answers = [answers_by_seed(own, read_predictions) for own in group_by_setting(runs)]
    if len(answers) > 1 or len(answers[0]) > 1:
        raise UserError(
            "the runs are of several settings or seeds; give those of one, of any folds"
        )
    classes = runs[0].results["classes"]
    (predictions,) = answers[0].values()
    smears = group_by_smear(predictions.sources, predictions.labels, predictions.filenames)
    labels, numbers = smears.label, _numbers(smears.name.tolist())
    said = mean_over_copies(predictions.probabilities, smears).argmax(axis=1)
    is_right = said == labels
    is_right_image = predictions.probabilities.argmax(axis=1) == predictions.labels
    ranges = []
    for first in range(0, int(numbers.max()) + 1, options.width):
        inside = (numbers >= first) & (numbers < first + options.width)
        ranges.append((f"{first} to {first + options.width - 1}", inside))
    ranges.append(("all", np.ones(len(numbers), bool)))
    rows, figures = [], {}
    for title, inside in ranges:
        counts = [(labels == label) & inside for label in range(len(classes))]
        share = share_with_interval(int(is_right[inside].sum()), int(inside.sum()))
        ends = interval(share["interval"], is_share=True)
        images = is_right_image[inside[smears.of_image]]
        wrong = inside & ~is_right
        mistakes = Counter(zip(labels[wrong].tolist(), said[wrong].tolist(), strict=True))
        most = [f"{n} {classes[a]} as {classes[b]}" for (a, b), n in mistakes.most_common(2)]
        rows.append(
            [
                title,
                *(f"{int(is_right[own].sum())} of {int(own.sum())}" for own in counts),
                f"{share['count']} of {int(inside.sum())}",
                f"{percent(share['share'])} {ends}",
                f"{int(images.sum()):,} of {len(images):,}",
                ", ".join(most),
            ]
        )
        figures[title] = share | {"num_smears": int(inside.sum())}
        figures[title] |= {"images_right": int(images.sum()), "num_images": len(images)}
    head = ["photographs", *classes, "all", "answered rightly", "images", "most mistakes"]
    print(aligned(head, rows))
    if options.json:
        write_json(options.json, {"runs": [str(path) for path in options.runs], **figures})


def _numbers(names: Sequence[str]) -> Int[np.ndarray, " s"]:
    """Returns the numbers in the names of smears."""
    if unknown := [name for name in names if not _NUMBER.fullmatch(name)]:
        raise UserError(
            f"smear {unknown[0]!r} has no number; give runs on blood_cells, whose smears are "
            "called like BloodImage_00012"
        )
    return np.array([int(name.removeprefix(_PREFIX)) for name in names])


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = create_parser("by_number", __doc__)
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="One run, or the folds of a seed."
    )
    parser.add_argument(
        "--width", type=at_least(1), default=100, help="Numbers in a row. Default: 100."
    )
    add_outputs(parser, plot=False)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main)
