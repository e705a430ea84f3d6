"""The tables of provenance, as they are kept with the builder."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from wbc_jax.atomic_files import write_text
from wbc_jax.datasets.blood_cells import sources
from wbc_jax.leakage import cells
from wbc_jax.leakage.originals import Original
from wbc_jax.leakage.overlaps import Overlap
from wbc_jax.leakage.recovery import Recovered

_SOURCES = ("file", "original", "inliers", "runner_up", "correlation", "cell_in_view")
_MAPS = ("file", "xx", "xy", "x0", "yx", "yy", "y0")
_OVERLAPS = (
    *("first", "second", "first_in", "second_in", "inliers", "correlation", "common"),
    *("shift_x", "shift_y", "same_cell"),
)

Nuclei = Mapping[str, Bool[np.ndarray, "h w"] | None]


def write_tables(folder: Path, recovered: Mapping[str, Recovered], nuclei: Nuclei) -> None:
    """Writes sources and maps.

    Args:
        folder: where.
        recovered: by file.
        nuclei: of the originals, by name.
    """
    ordered = [recovered[file] for file in sorted(recovered)]
    augmented = [found for found in ordered if "_SIMPLE/" not in found.file]
    simple = [found for found in ordered if "_SIMPLE/" in found.file]
    for name, part in zip(sources.TABLES, (augmented, simple), strict=True):
        _write(folder / name, _SOURCES, (_source_row(found, nuclei) for found in part))
    resolved = (found for found in ordered if found.resolved)
    _write(folder / sources.MAPS, _MAPS, (_map_row(found) for found in resolved))


def write_overlaps(
    folder: Path,
    overlaps: Sequence[Overlap],
    nuclei: Nuclei,
    labels: Mapping[str, str],
    divided: Mapping[str, Original],
) -> None:
    """Writes which originals overlap, and whether they show the same white cell.

    Args:
        folder: where.
        overlaps: the pairs.
        nuclei: of the originals, by name.
        labels: of all originals, as published.
        divided: those in TEST and TRAIN.
    """

    def where(name: str) -> str:
        label = labels.get(name, "").replace(" ", "") or "-"
        return f"{divided[name].split if name in divided else '-'}/{label}"

    rows = (
        (
            *(pair.first, pair.second, where(pair.first), where(pair.second), pair.inliers),
            *(f"{pair.correlation:.4f}", f"{pair.common:.3f}"),
            *(f"{shift:.1f}" for shift in pair.matrix[:, 2]),
            "yes"
            if cells.is_same_cell(nuclei[pair.first], nuclei[pair.second], pair.matrix)
            else "no",
        )
        for pair in overlaps
    )
    _write(folder / sources.OVERLAPS, _OVERLAPS, rows)


def _source_row(found: Recovered, nuclei: Nuclei) -> tuple[Any, ...]:
    view = None
    if found.resolved and found.matrix is not None:
        # The map as it is kept: the share can be counted again from the tables.
        matrix = np.array([float(value) for value in _written(found.matrix)]).reshape(2, 3)
        view = cells.cell_in_view(nuclei.get(found.best), matrix)
    return (
        *(found.file, found.best if found.resolved else "", found.inliers, found.runner_up),
        *(f"{found.correlation:.4f}", "" if view is None else f"{view:.3f}"),
    )


def _map_row(found: Recovered) -> tuple[Any, ...]:
    if found.matrix is None:
        raise ValueError(f"{found.file} is resolved but has no map")
    return (found.file, *_written(found.matrix))


def _written(matrix: Float64[np.ndarray, "2 3"]) -> list[str]:
    """Returns a map's numbers as text; 5e-5 of 320 pixels are 0.02 pixels."""
    xx, xy, x0, yx, yy, y0 = matrix.ravel().tolist()
    return [f"{xx:.4f}", f"{xy:.4f}", f"{x0:.2f}", f"{yx:.4f}", f"{yy:.4f}", f"{y0:.2f}"]


def _write(file: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    lines = ["\t".join(map(str, row)) for row in (header, *rows)]
    write_text(file, "\n".join(lines) + "\n")
