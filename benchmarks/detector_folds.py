"""What a detector finds in the pictures of all its folds, and where its thresholds lie best.

python -m benchmarks.detector_folds runs/detector-bccd_dev-fold?
python -m benchmarks.detector_folds runs/A-fold? --against runs/B-fold?      # A less B, too

Every picture of `bccd_dev` is tested in one fold, by a detector that has seen no picture of its
place. One fold has few platelets, so a threshold chosen there hangs on a handful of them; all folds
together have every one of the training photographs.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command_line import add_outputs, create_parser, run
from wbc_jax import run_names
from wbc_jax.atomic_files import write_json
from wbc_jax.errors import UserError
from wbc_jax.evaluation.detection_scores import score_detections, sweep_thresholds
from wbc_jax.evaluation.detections import read_detections
from wbc_jax.evaluation.paired import paired_difference
from wbc_jax.evaluation.pooled_detections import read_answers, resample_detectors
from wbc_jax.evaluation.run_groups import answers_by_seed
from wbc_jax.reporting.pooled_text import points_text
from wbc_jax.reporting.run_files import read_detector_run
from wbc_jax.seeds.seed_points import KINDS, above
from wbc_jax.text_table import text_table


def main(arguments: Sequence[str]) -> None:
    """Prints the table.

    Raises:
        UserError: a run is missing, unfinished or no detector's; two tested the same picture, or
            those of the other setting other ones.
    """
    options = _parse(arguments)
    runs = [read_detector_run(path) for path in options.runs]
    others = [read_detector_run(path) for path in options.against]
    tested = [read_detections(one.path / run_names.DETECTIONS) for one in runs]
    names = [name for one in tested for name in one.filenames]
    if len(set(names)) < len(names):
        raise UserError(
            "a picture was tested by two of the runs; give the runs of different folds of one seed"
        )
    seeds = [found for one in tested for found in one.seeds]
    cells = [there for one in tested for there in one.cells]
    scenes = np.concatenate([one.scenes for one in tested])
    thresholds = tuple(runs[0].results["thresholds"].values())
    scores = score_detections([above(one, thresholds) for one in seeds], cells, scenes)
    sweep, rows = sweep_thresholds(seeds, cells), []
    for kind, threshold in zip(KINDS, thresholds, strict=True):
        own, ends = scores["per_kind"][kind], scores["intervals"]["per_kind"][kind]["f1"]
        best = int(np.nanargmax(sweep[kind]["f1"]))
        rows.append(
            [
                kind,
                f"{own['support']:,}",
                f"{threshold:.2f}",
                f"{own['f1']:.1%} [{ends[0]:.1%}, {ends[1]:.1%}]",
                f"{own['count_mae']:.2f}",
                f"{sweep[kind]['thresholds'][best]:.2f}",
                f"{sweep[kind]['f1'][best]:.1%}",
                f"{sweep[kind]['count_mae'][best]:.2f}",
            ]
        )
    print(f"{len(names)} pictures of {len(set(scenes.tolist()))} places, {len(runs)} runs")
    head = ["kind", "cells", "threshold", "F1", "count\nerror", "best", "F1\nthere", "error\nthere"]
    print(text_table(head, rows))
    difference = None
    if others:
        ours, theirs = (answers_by_seed(own, read_answers) for own in (runs, others))
        difference = paired_difference(ours, theirs, resample_detectors)
        if difference is None:
            raise UserError("--against: no seed is the same; give the other setting's runs of it")
        print(_differences(difference))
    if options.json:
        paths = [str(path) for path in options.runs]
        write_json(
            options.json, {"runs": paths, "sweep": sweep, "difference": difference, **scores}
        )


def _differences(difference: Mapping[str, Any]) -> str:
    """Returns how far F1 (points) and count error lie above those of the others, by kind."""
    rows = []
    for kind in KINDS:
        f1, error = (difference[kind][name] for name in ("f1", "count_mae"))
        low, high = error["interval"]
        rows.append([kind, points_text(f1), f"{error['mean']:+.2f} [{low:+.2f}, {high:+.2f}]"])
    return "\nless those of --against:\n" + text_table(["kind", "F1", "count error"], rows)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = create_parser("detector_folds", __doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="Of one fold each.")
    parser.add_argument(
        "--against", type=Path, nargs="+", default=[], metavar="RUN", help="Of another setting."
    )
    add_outputs(parser, plot=False)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main)
