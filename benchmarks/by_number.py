"""How many photographs of blood_cells are answered rightly, by their number and class.

python -m benchmarks.by_number runs/white_cell-cnn-crossval-seed0*

The data set's originals are numbered; what their order stands for is not published. Runs of all
folds test each of them once, by a network that has not seen it; one run, its test smears.
"""

import argparse
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from benchmarks.command_line import add_outputs, at_least, create_parser, run
from wbc_jax.atomic_files import write_json
from wbc_jax.errors import UserError
from wbc_jax.evaluation.run_groups import answers_by_seed, group_by_setting
from wbc_jax.evaluation.smears import group_by_smear, mean_over_copies
from wbc_jax.prediction.differential import share_with_interval
from wbc_jax.reporting.number_text import interval, percent
from wbc_jax.reporting.run_files import read_predictions, read_run
from wbc_jax.text_table import text_table

_PREFIX = "BloodImage_"
_NUMBER = re.compile(_PREFIX + r"\d+")


class _Tested(NamedTuple):
    """Smears and the answers to them.

    Attributes:
        classes: names in label order.
        numbers: of each smear's photograph.
        labels: class of each smear.
        answers: to its copies together.
        of_image: the smear that each image shows.
        is_right: of each image.
    """

    classes: Sequence[str]
    numbers: Int[np.ndarray, " s"]
    labels: Int[np.ndarray, " s"]
    answers: Int[np.ndarray, " s"]
    of_image: Int[np.ndarray, " n"]
    is_right: Bool[np.ndarray, " n"]


def main(arguments: Sequence[str]) -> None:
    """Prints the table.

    Raises:
        UserError: a run is missing or unfinished, its smears have no numbers, or the runs are not
            those of the folds of one seed.
    """
    options = _parse(arguments)
    tested = _read(options.runs)
    numbers = tested.numbers
    ranges = {
        f"{first} to {first + options.width - 1}": numbers // options.width
        == first // options.width
        for first in range(0, int(numbers.max()) + 1, options.width)
    }
    ranges["all"] = np.ones(len(numbers), bool)
    figures = {title: _figures(tested, inside) for title, inside in ranges.items()}
    head = ["photographs", *tested.classes, "all", "answered rightly", "images", "most mistakes"]
    print(text_table(head, [[title, *_cells(own)] for title, own in figures.items()]))
    if options.json:
        write_json(options.json, {"runs": [str(path) for path in options.runs], **figures})


def _read(paths: Sequence[Path]) -> _Tested:
    runs = [read_run(path) for path in paths]
    answers = [answers_by_seed(own, read_predictions) for own in group_by_setting(runs)]
    if len(answers) > 1 or len(answers[0]) > 1:
        raise UserError(
            "the runs are of several settings or seeds; give those of one, of any folds"
        )
    (given,) = answers[0].values()
    smears = group_by_smear(given.sources, given.labels, given.filenames)
    return _Tested(
        runs[0].results["classes"],
        _numbers(smears.name.tolist()),
        smears.label,
        mean_over_copies(given.probabilities, smears).argmax(axis=1),
        smears.of_image,
        given.probabilities.argmax(axis=1) == given.labels,
    )


def _figures(tested: _Tested, inside: Bool[np.ndarray, " s"]) -> dict[str, Any]:
    """Returns what is counted of some smears."""
    labels, answers = tested.labels[inside], tested.answers[inside]
    is_right, images = labels == answers, tested.is_right[inside[tested.of_image]]
    names = tested.classes
    return {
        **share_with_interval(int(is_right.sum()), len(labels)),
        "num_smears": len(labels),
        "per_class": {
            name: [int(is_right[labels == label].sum()), int((labels == label).sum())]
            for label, name in enumerate(names)
        },
        "images_right": int(images.sum()),
        "num_images": len(images),
        "mistakes": Counter(
            f"{names[label]} as {names[answer]}"
            for label, answer in zip(labels[~is_right], answers[~is_right], strict=True)
        ),
    }


def _cells(figures: Mapping[str, Any]) -> list[str]:
    return [
        *(f"{right} of {count}" for right, count in figures["per_class"].values()),
        f"{figures['count']} of {figures['num_smears']}",
        f"{percent(figures['share'])} {interval(figures['interval'], is_share=True)}",
        f"{figures['images_right']:,} of {figures['num_images']:,}",
        ", ".join(f"{count} {mistake}" for mistake, count in figures["mistakes"].most_common(2)),
    ]


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
