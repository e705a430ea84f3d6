"""How far do BCCD's annotators agree with themselves, and a detector with them?

python -m benchmarks.bccd_agreement --data_dir=DIR
python -m benchmarks.bccd_agreement --data_dir=DIR --detectors runs/detector-*     # and detectors

Some photographs of BCCD show the same place of a slide, shifted a little, and were annotated twice
without anybody noticing. The shift is known (`overlaps.tsv`, docs/provenance.md). Cells well inside
both photographs, so that neither's frame cuts them, are paired as a detector's seeds are: one to
one, within half the shorter side of the box. What one annotation has and the other lacks is no
detector's fault, so no detector can be expected to agree with one of them much better. A detector's
seeds are compared with each annotation in the same areas of the same photographs.
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Bool, Float, Int

from benchmarks.command_line import add_cache_dir, add_data_dir, add_outputs, create_parser, run
from wbc_jax.atomic_files import write_json
from wbc_jax.datasets.catalog import CELL_KINDS
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import prepare, read_records
from wbc_jax.errors import UserError
from wbc_jax.evaluation.detection_scores import draw_pictures
from wbc_jax.evaluation.detections import read_answered
from wbc_jax.evaluation.intervals import percentile_interval
from wbc_jax.reporting.run_files import read_detector_run
from wbc_jax.seeds.matching import match
from wbc_jax.seeds.seed_points import to_own_pixels
from wbc_jax.text_table import text_table

SIZE = (480, 640)  # rows, columns of every photograph
SCALE = 2  # the shifts were measured at half the size
MARGIN = 55  # pixels; half of a red cell
ANNOTATIONS = "annotation and annotation"
DETECTORS = "detector and annotation"


class Marks(NamedTuple):
    """The cells of one photograph, as annotated or found.

    Attributes:
        centers: (row, column) in pixels.
        kinds: index into `CELL_KINDS`.
        radii: half the shorter sides of the boxes, pixels; zero for the seeds of a detector.
    """

    centers: Float[np.ndarray, "n 2"]
    kinds: Int[np.ndarray, " n"]
    radii: Float[np.ndarray, " n"]

    def moved(self, by: Float[np.ndarray, "2"]) -> Self:
        """Returns them in the pixels of another photograph."""
        return self._replace(centers=self.centers + by)

    def of_kind(self, kind: int) -> Self:
        """Returns those of one kind."""
        return type(self)(*(values[self.kinds == kind] for values in self))


class Area(NamedTuple):
    """What two photographs both show: (row, column) of two corners, in pixels of the first."""

    low: Float[np.ndarray, "2"]
    high: Float[np.ndarray, "2"]

    def holds(self, centers: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Tells which of these lie in it."""
        return np.all((centers > self.low) & (centers < self.high), axis=1)


class Compared(NamedTuple):
    """What two found in one area, by kind.

    Attributes:
        shared: cells that the other has, too, counted from either side.
        all: cells of either.
        more: how many more the first has than the second.
    """

    shared: Int[np.ndarray, " k"]
    all: Int[np.ndarray, " k"]
    more: Int[np.ndarray, " k"]


def main(arguments: Sequence[str]) -> None:
    """Measures and prints the tables.

    Raises:
        UserError: the photographs are not there; a run is missing, unfinished or no detector's;
            two of them tested the same photograph, or none any of these.
    """
    options = _parse(arguments)
    found = _found(options.detectors)
    prepared = prepare("bccd", Places(options.data_dir, options.cache_dir))
    records = [one for split in prepared.splits for one in read_records(prepared, split)]
    annotated = {one["source"]: _annotated(one) for one in records}
    scenes = {one["source"]: one["scene"] for one in records}
    compared: dict[str, list[tuple[str, Compared]]] = {ANNOTATIONS: [], DETECTORS: []}
    for first, second, shift in read_overlaps():
        pair = [annotated[name] for name in (first, second) if name in annotated]
        # Where one has no red cell at all, nobody has looked for them.
        if len(pair) < 2 or not all((marks.kinds == 0).any() for marks in pair):
            continue
        area = common_area(shift)
        moved = pair[1].moved(-shift)
        compared[ANNOTATIONS].append((scenes[first], compare(pair[0], moved, area)))
        for name, offset in ((first, np.zeros(2)), (second, -shift)):
            if name in found:
                of_detector = found[name].moved(offset), annotated[name].moved(offset)
                compared[DETECTORS].append((scenes[name], compare(*of_detector, area)))
    if found and not compared[DETECTORS]:
        raise UserError(
            "--detectors: none of these runs tested a photograph whose place BCCD shows twice; "
            "give runs under bccd or bccd_dev"
        )
    tables = {title: _figures(pairs) for title, pairs in compared.items() if pairs}
    for title, figures in tables.items():
        print(_table(title, figures))
    if options.json:
        write_json(options.json, tables)


def read_overlaps() -> list[tuple[str, str, np.ndarray]]:
    """Returns the pairs that show one place, with the shift from the first to the second."""
    table = resources.files("wbc_jax.datasets.blood_cells").joinpath("overlaps.tsv")
    lines = table.read_text(encoding="utf-8").splitlines()
    return [
        (
            row["first"],
            row["second"],
            SCALE * np.array([float(row["shift_y"]), float(row["shift_x"])]),
        )
        for row in csv.DictReader(lines, delimiter="\t")
    ]


def common_area(shift: Float[np.ndarray, "2"]) -> Area:
    """Returns what both photographs show well inside, in the first one's pixels.

    Args:
        shift: from a place in the first to the same in the second, (row, column) in pixels.
    """
    low, high = np.maximum(0, -shift), np.array(SIZE) + np.minimum(0, -shift)
    return Area(low + MARGIN, high - MARGIN)


def compare(ours: Marks, theirs: Marks, area: Area) -> Compared:
    """Counts by kind the cells of an area that either has, and those that the other has, too.

    A cell near the area's edge may have its partner beyond it.

    Args:
        ours: of an annotation or a detector.
        theirs: of an annotation, in the same pixels.
        area: where to look.
    """
    shared, all_, more = np.zeros((3, len(CELL_KINDS)), np.int64)
    for kind in range(len(CELL_KINDS)):
        mine, other = ours.of_kind(kind), theirs.of_kind(kind)
        mine_inside, other_inside = area.holds(mine.centers), area.holds(other.centers)
        pairs = match(mine.centers, other.centers, reach=other.radii)
        shared[kind] = mine_inside[pairs.seeds].sum() + other_inside[pairs.cells].sum()
        all_[kind] = mine_inside.sum() + other_inside.sum()
        more[kind] = mine_inside.sum() - other_inside.sum()
    return Compared(shared, all_, more)


def _figures(pairs: Sequence[tuple[str, Compared]]) -> dict[str, dict[str, Any]]:
    """Returns agreement and count difference by kind, with intervals by bootstrap over places."""
    places = np.array([place for place, _ in pairs])
    weights = draw_pictures(places)
    shared, all_, more = map(np.stack, zip(*(one for _, one in pairs), strict=True))
    apart = np.abs(more)
    drawn_apart = weights @ apart / weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        agreement = shared.sum(axis=0) / all_.sum(axis=0)
        drawn_agreement = (weights @ shared) / (weights @ all_)
    return {
        kind: {
            "areas": len(pairs),
            "places": len(np.unique(places)),
            "cells": int(all_[:, i].sum()),
            "shared": int(shared[:, i].sum()),
            "agreement": float(agreement[i]),
            "agreement_interval": percentile_interval(drawn_agreement[:, i]),
            "count_difference": float(apart[:, i].mean()),
            "count_difference_interval": percentile_interval(drawn_apart[:, i]),
        }
        for i, kind in enumerate(CELL_KINDS)
    }


def _table(title: str, figures: Mapping[str, Mapping[str, Any]]) -> str:
    first = figures[CELL_KINDS[0]]
    rows = []
    for kind, own in figures.items():
        share, apart = own["agreement_interval"], own["count_difference_interval"]
        rows.append(
            [
                kind,
                f"{own['cells']:,}",
                f"{own['shared']:,}",
                f"{own['agreement']:.1%} [{share[0]:.1%}, {share[1]:.1%}]" if own["cells"] else "-",
                f"{own['cells'] / 2 / own['areas']:.1f}",
                f"{own['count_difference']:.2f} [{apart[0]:.2f}, {apart[1]:.2f}]",
            ]
        )
    head = [
        "kind",
        "cells of\neither",
        "also in\nthe other",
        "agreement",
        "cells in\nan area",
        "difference\nof counts",
    ]
    return (
        f"\n{title}: {first['areas']} areas of {first['places']} places\n{text_table(head, rows)}"
    )


def _found(paths: Sequence[Path]) -> dict[str, Marks]:
    """Returns what detectors found in the photographs of their tests, by photograph."""
    found: dict[str, Marks] = {}
    for path in paths:
        one = read_detector_run(path)
        size = tuple(one.config["data"]["picture_size"])
        answered = read_answered(one)
        for filename, seeds in zip(answered.filenames.tolist(), answered.seeds, strict=True):
            name = Path(filename).stem
            if name in found:
                raise UserError(
                    f"{name} was tested by two of the runs; give the runs of different folds of "
                    "one seed, and one that was tested on val"
                )
            own = to_own_pixels(seeds, size, SIZE)
            centers = np.column_stack([own.rows, own.columns]).astype(np.float64)
            found[name] = Marks(centers, own.kinds, np.zeros(len(centers)))
    return found


def _annotated(record: Mapping[str, Any]) -> Marks:
    cells = record["cells"]
    boxes = np.array([*cells["box"]]).reshape(-1, 4) * np.tile(SIZE, 2)
    sides = boxes[:, 2:] - boxes[:, :2]
    return Marks(
        np.array([*cells["center"]], np.float64).reshape(-1, 2),
        np.array(cells["kind"], np.int64),
        sides.min(axis=1) / 2,
    )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = create_parser("bccd_agreement", __doc__)
    parser.add_argument(
        "--detectors",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="Runs that together tested each photograph once at most.",
    )
    add_data_dir(parser)
    add_cache_dir(parser)
    add_outputs(parser, plot=False)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main)
