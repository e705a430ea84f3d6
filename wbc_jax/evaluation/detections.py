"""What a detector found in the pictures of a part and what is there, as the run keeps it.

write_detections(workdir / run_names.DETECTIONS, Detections(filenames, scenes, seeds, cells))
read_detections(workdir / run_names.DETECTIONS).seeds[0]       # of the first picture
read_answered(run).seeds[0]                                    # those that count
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from wbc_jax import run_names
from wbc_jax.errors import UserError
from wbc_jax.reporting.run_arrays import read_arrays, write_arrays
from wbc_jax.reporting.run_files import Run
from wbc_jax.reporting.run_schema import REPEAT
from wbc_jax.seeds.matching import Cells
from wbc_jax.seeds.seed_points import KINDS, Seeds, above


class Detections(NamedTuple):
    """The pictures of one part.

    Attributes:
        filenames: of each picture.
        scenes: the place that each shows.
        seeds: what was found in each, low scores too.
        cells: what is there.
    """

    filenames: Shaped[np.ndarray, " n"]
    scenes: Shaped[np.ndarray, " n"]
    seeds: list[Seeds]
    cells: list[Cells]


def write_detections(path: Path, detections: Detections) -> None:
    """Writes seeds and cells of all pictures one after another, with the picture of each."""

    def flat(name: str, parts: Sequence[Any]) -> dict[str, np.ndarray]:
        picture = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
        values = {
            f"{name}_{field}": np.concatenate([getattr(part, field) for part in parts])
            for field in parts[0]._fields
        }
        return {f"{name}_picture": picture, **values}

    filenames, scenes, seeds, cells = detections
    write_arrays(
        path, filename=filenames, scene=scenes, **flat("seed", seeds), **flat("cell", cells)
    )


def read_detections(path: Path) -> Detections:
    """Reads what `write_detections` has written.

    Raises:
        UserError: the file is missing or damaged.
    """
    names = ["filename", "scene", "seed_picture", "cell_picture"]
    names += [f"seed_{field}" for field in Seeds._fields]
    names += [f"cell_{field}" for field in Cells._fields]
    arrays = dict(zip(names, read_arrays(path, names), strict=True))

    def of_each(name: str, fields: Sequence[str]) -> Iterator[tuple[np.ndarray, ...]]:
        pictures = np.arange(1, len(arrays["filename"]))
        ends = np.searchsorted(arrays[f"{name}_picture"], pictures)
        return zip(*(np.split(arrays[f"{name}_{field}"], ends) for field in fields), strict=True)

    return Detections(
        arrays["filename"],
        arrays["scene"],
        [Seeds(*values) for values in of_each("seed", Seeds._fields)],
        [Cells(*values) for values in of_each("cell", Cells._fields)],
    )


def read_answered(run: Run) -> Detections:
    """Reads what a detector's run answers: the seeds that reach its thresholds.

    Raises:
        UserError: the file is missing, damaged, or disagrees with results.json.
    """
    path = run.path / run_names.DETECTIONS
    found = read_detections(path)
    if len(found.filenames) != run.results["num_test"]:
        raise UserError(
            f"{path} holds {len(found.filenames)} pictures, but results.json states "
            f"{run.results['num_test']}; {REPEAT}"
        )
    thresholds = tuple(run.results["thresholds"][kind] for kind in KINDS)
    return found._replace(seeds=[above(one, thresholds) for one in found.seeds])
