"""How well are cells found without training, and with which parameters?

python -m benchmarks.classical_detectors --data_dir=DIR --choose     on BCCD's train, parameters too
python -m benchmarks.classical_detectors --data_dir=DIR --part=test  the defaults, on val, once

--choose goes through the parameters one by one, twice, and keeps of each the value with the best F1
of the kind of cell that it is for, on the training photographs of the protocol `bccd` (none shows a
place of val). What it prints stands in the defaults of `ClassicalDetector`, those of the other
methods in `METHODS` below. Pictures are at 320x240 as the learned detector gets them. Times are of
one picture on one core.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.command_line import (
    add_cache_dir,
    add_data_dir,
    add_outputs,
    at_least,
    create_parser,
    run,
)
from benchmarks.machine import describe_machine, load_before
from wbc_jax.atomic_files import write_json
from wbc_jax.data.annotated import PictureSettings
from wbc_jax.data.examples import Examples
from wbc_jax.data.load import load_pictures
from wbc_jax.data.protocols import Draw
from wbc_jax.datasets.places import Places
from wbc_jax.evaluation.detection_scores import mean_figures, score_detections
from wbc_jax.seeds.classical import ClassicalDetector
from wbc_jax.seeds.matching import cells_of_pictures
from wbc_jax.text_table import text_table

METHODS: Mapping[str, ClassicalDetector] = {
    "radial_symmetry": ClassicalDetector(),
    "distance": ClassicalDetector(method="distance", red_radius=0.1, red_score=0.6),
    "log": ClassicalDetector(method="log", red_score=0.4),
}
# Values tried of each parameter, and the kind whose F1 decides.
GRID: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "white_stain": ("WBC", (0.15, 0.2, 0.3, 0.4)),
    "white_area": ("WBC", (0.006, 0.01, 0.015, 0.02)),
    "lobe_gap": ("WBC", (0.03, 0.06, 0.09, 0.12)),
    "platelet_stain": ("Platelets", (0.1, 0.12, 0.15, 0.18, 0.22)),
    "platelet_area": ("Platelets", (0.0006, 0.001, 0.0015, 0.002)),
    "red_depth": ("RBC", (0.6, 0.8, 1.0)),
    "erosion": ("RBC", (0.0, 0.15, 0.3, 0.45)),
    "red_radius": ("RBC", (0.08, 0.09, 0.1, 0.11)),
    "red_apart": ("RBC", (0.5, 0.7, 0.9, 1.1)),
    "red_score": ("RBC", (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)),
}


def main(arguments: Sequence[str]) -> None:
    """Chooses, or measures, and prints the table.

    Raises:
        UserError: the images are not there.
    """
    options = _parse(arguments)
    load = load_before()
    partition = load_pictures(
        "bccd", PictureSettings(240, 320), Places(options.data_dir, options.cache_dir), draw=Draw(0)
    ).partition
    part = partition.train if options.choose else getattr(partition, options.part)
    part = part.take(np.arange(0, len(part.label), options.every))
    detectors = METHODS
    if options.choose:
        detectors = {name: choose(detector, part) for name, detector in METHODS.items()}
    rows, figures = [], {}
    for name, detector in detectors.items():
        scores, seconds = measure(detector, part)
        figures[name] = {"parameters": str(detector), "seconds": seconds, **scores["per_kind"]}
        for kind, found in scores["per_kind"].items():
            ends = scores["intervals"]["per_kind"][kind]["f1"]
            rows.append(
                [
                    name,
                    kind,
                    *(f"{100 * found[key]:.1f}" for key in ("precision", "recall", "f1")),
                    f"[{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]",
                    f"{found['count_mae']:.2f}",
                    f"{found['count_bias']:+.2f}",
                    f"{1000 * seconds:.0f}",
                ]
            )
    head = ["method", "kind", "precision %", "recall %", "F1 %", "95 %", "MAE", "bias", "ms"]
    text = "\n".join(
        [
            f"{len(part.label)} photographs of {'train' if options.choose else options.part}",
            text_table(head, rows, num_left=2),
            *(f"{name}: {detector}" for name, detector in detectors.items()),
        ]
    )
    print(text)
    if options.json:
        write_json(options.json, {"machine": describe_machine(load), "figures": figures})


def choose(detector: ClassicalDetector, part: Examples) -> ClassicalDetector:
    """Returns the detector with the best values of `GRID`, each parameter in its turn, twice."""
    cells = cells_of_pictures(part)
    for _ in range(2):
        for name, (kind, values) in tqdm(
            GRID.items(), desc=detector.method, unit=" parameters", disable=None
        ):
            if name == "erosion" and detector.method != "radial_symmetry":
                continue
            tried = {}
            for value in dict.fromkeys((getattr(detector, name), *values)):
                seeds = [replace(detector, **{name: value})(image) for image in part.image]
                tried[value] = mean_figures(seeds, cells)[kind]["f1"]
            detector = replace(detector, **{name: max(tried, key=lambda one: tried[one])})
    return detector


def measure(detector: ClassicalDetector, part: Examples) -> tuple[dict[str, Any], float]:
    """Returns every figure over the pictures, and the seconds that one takes."""
    start = time.perf_counter()
    seeds = [detector(image) for image in part.image]
    seconds = (time.perf_counter() - start) / len(seeds)
    return score_detections(seeds, cells_of_pictures(part), part.scene), seconds


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = create_parser("classical_detectors", __doc__)
    add_data_dir(parser)
    add_cache_dir(parser)
    parser.add_argument("--choose", action="store_true", help="Choose parameters on train.")
    parser.add_argument("--part", choices=["train", "test"], default="train")
    parser.add_argument(
        "--every", type=at_least(1), default=1, help="Take one of so many photographs."
    )
    add_outputs(parser, plot=False)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main)
