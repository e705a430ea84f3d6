"""How far do BCCD's annotators agree with themselves?

python -m benchmarks.bccd_agreement --data_dir=DIR

Some photographs of BCCD show the same place of a slide, shifted a little, and were annotated twice
without anybody noticing. The shift is known (`overlaps.tsv`, docs/provenance.md). Cells well inside
both photographs, so that neither's frame cuts them, are paired as a detector's seeds are: one to
one, within half the shorter side of the box. What one annotation has and the other lacks is no
detector's fault, so no detector can be expected to agree with one of them much better.
"""

import argparse
import csv
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from benchmarks.command_line import add_cache_dir, add_data_dir, add_outputs, create_parser, run
from benchmarks.tables import aligned
from wbc_jax.atomic_files import write_json
from wbc_jax.datasets.catalog import CELL_KINDS
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import prepare, read_records
from wbc_jax.seeds.matching import match

SIZE = (480, 640)  # rows, columns of every photograph
SCALE = 2  # the shifts were measured at half the size
MARGIN = 55  # pixels; half of a red cell


class Annotated(NamedTuple):
    """The cells of one photograph: (row, column) of centres, kinds, half the shorter sides."""

    centers: Float[np.ndarray, "n 2"]
    kinds: Int[np.ndarray, " n"]
    radii: Float[np.ndarray, " n"]


def main(arguments: Sequence[str]) -> None:
    """Measures and prints the table.

    Raises:
        UserError: the photographs are not there.
    """
    options = _parse(arguments)
    prepared = prepare("bccd", Places(options.data_dir, options.cache_dir))
    photographs = {
        record["source"]: _annotated(record)
        for split in prepared.splits
        for record in read_records(prepared, split)
    }
    totals = np.zeros((len(CELL_KINDS), 2), np.int64)
    pairs = 0
    for first, second, shift in read_overlaps():
        if first in photographs and second in photographs:
            counts = compare(photographs[first], photographs[second], shift)
            # Where one has no red cell at all, nobody has looked for them.
            if all((photographs[name].kinds == 0).any() for name in (first, second)):
                totals, pairs = totals + counts, pairs + 1
    rows = [
        [kind, f"{both:,}", f"{all_:,}", f"{both / all_:.1%}" if all_ else "-"]
        for kind, (both, all_) in zip(CELL_KINDS, totals.tolist(), strict=True)
    ]
    print(f"{pairs} pairs of photographs of one place; cells inside both, from either side")
    print(aligned(["kind", "also in the other", "annotated", "agreement"], rows))
    if options.json:
        by_kind = dict(zip(CELL_KINDS, totals.tolist(), strict=True))
        write_json(options.json, {"pairs": pairs, "also_in_the_other_and_annotated": by_kind})


def compare(
    first: Annotated, second: Annotated, shift: Float[np.ndarray, "2"]
) -> Int[np.ndarray, "k 2"]:
    """Counts by kind how many cells inside both photographs the other one has, and how many all.

    Args:
        first: of one photograph.
        second: of the other.
        shift: from a place in the first to the same in the second, (row, column) in pixels.
    """
    moved = second._replace(centers=second.centers - shift)
    low = np.maximum(0, -shift) + MARGIN
    high = np.array(SIZE) + np.minimum(0, -shift) - MARGIN
    counts = np.zeros((len(CELL_KINDS), 2), np.int64)
    for mine, other in ((first, moved), (moved, first)):
        inside = ((mine.centers > low) & (mine.centers < high)).all(axis=1)
        for kind in range(len(CELL_KINDS)):
            asked = inside & (mine.kinds == kind)
            there = other.centers[other.kinds == kind]
            found = match(there, mine.centers[asked], reach=mine.radii[asked])
            counts[kind] += len(found.cells), int(asked.sum())
    return counts


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


def _annotated(record: dict) -> Annotated:
    cells = record["cells"]
    boxes = np.array([*cells["box"]]).reshape(-1, 4) * (SIZE * 2)
    sides = boxes[:, 2:] - boxes[:, :2]
    return Annotated(
        np.array([*cells["center"]], np.float64).reshape(-1, 2),
        np.array(cells["kind"], np.int64),
        sides.min(axis=1) / 2,
    )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = create_parser("bccd_agreement", __doc__)
    add_data_dir(parser)
    add_cache_dir(parser)
    add_outputs(parser, plot=False)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main)
