"""Which original smear each blood cell image was made from, as recovered from its content.

    smear_of("TEST/MONOCYTE/_0_1173.jpeg")       # "BloodImage_00267"
    load_sources()[file].cell_in_view            # share of the white cell that is still in view

The tables beside this file are written by `python -m wbc_jax.leakage.provenance`; how, and how
certain they are, stands in docs/provenance.md.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64

from wbc_jax.datasets.catalog import UNRESOLVED

TABLES = ("sources.tsv", "sources_simple.tsv")  # of TRAIN and TEST, and of TEST_SIMPLE
MAPS = "maps.tsv"
OVERLAPS = "overlaps.tsv"


@dataclass(frozen=True)
class Source:
    """Where an image came from.

    Attributes:
        original: its smear's name, such as "BloodImage_00012"; None where it is not certain.
        inliers: key points that agree on one affine map from the best original to the image.
        runner_up: the same of the best original of another scene.
        correlation: of the image's gray values with the best original's under that map.
        cell_in_view: share of the white cell's nucleus that lies in the image's frame; None
            where no nucleus is found in the original, or there is none.
    """

    original: str | None
    inliers: int
    runner_up: int
    correlation: float
    cell_in_view: float | None


@functools.cache
def load_sources() -> Mapping[str, Source]:
    """Returns path below `images` -> its source, of all 12,515 images."""
    sources = {}
    for table in TABLES:
        for file, original, inliers, runner_up, correlation, cell_in_view in _rows(table):
            sources[file] = Source(
                original=original or None,
                inliers=int(inliers),
                runner_up=int(runner_up),
                correlation=float(correlation),
                cell_in_view=float(cell_in_view) if cell_in_view else None,
            )
    return MappingProxyType(sources)


def smear_of(file: str) -> str:
    """Returns the smear an image shows: what a division at smear level groups by.

    Args:
        file: path below `images`, such as "TEST/MONOCYTE/_0_1173.jpeg".

    Returns:
        The original's name; `UNRESOLVED` for an image whose original is not certain, or that is
        not in the tables. Such an image belongs to no smear, so it must be left out of every
        division at smear level: put on either side it could have a copy on the other.
    """
    source = load_sources().get(file)
    return (source and source.original) or UNRESOLVED


def scene_of(file: str) -> str:
    """Returns the place of the slide that an image shows, as far as other smears show it too.

    Some smears are photographs of one place, shifted a little; the same cell may be in both. A
    division that must not show a cell on both sides groups by this instead of `smear_of`.

    Args:
        file: path below `images`.

    Returns:
        The name of the first of the smears that overlap each other, directly or through others;
        a smear that overlaps none is its own scene. `UNRESOLVED` as in `smear_of`.
    """
    smear = smear_of(file)
    return load_scenes().get(smear, smear)


@functools.cache
def load_scenes() -> Mapping[str, str]:
    """Returns original -> scene, of those originals that overlap another one."""
    return MappingProxyType(join_scenes((row[0], row[1]) for row in _rows(OVERLAPS)))


def join_scenes(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Joins originals that overlap, and what overlaps those, to scenes.

    Args:
        pairs: names of two originals that show one place.

    Returns:
        Original -> scene, named by its first original; only of those in a pair.
    """
    scenes: dict[str, str] = {}
    for pair in pairs:
        joined = {scenes.get(name, name) for name in pair}
        scenes.update(dict.fromkeys(pair, min(joined)))
        scenes.update({name: min(joined) for name, scene in scenes.items() if scene in joined})
    return dict(sorted(scenes.items()))


@functools.cache
def load_maps() -> Mapping[str, Float64[np.ndarray, "2 3"]]:
    """Returns path below `images` -> how the original lies in the copy.

    A matrix leads from (x, y, 1) in the original scaled to 320x240 to (x, y) in the copy, pixels;
    the centre of the first pixel is (0, 0). Copies without a certain original are not there.
    """
    return MappingProxyType(
        {file: np.array(values, np.float64).reshape(2, 3) for file, *values in _rows(MAPS)}
    )


def _rows(table: str) -> list[list[str]]:
    text = resources.files(__package__).joinpath(table).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[1:]]
