"""Drawn smears and augmented copies of them, as the files of a division."""

import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from wbc_jax.datasets.synthetic_smears import copies, drawing
from wbc_jax.datasets.synthetic_smears.drawing import Smear

KINDS = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")


@functools.cache
def draw(number: int) -> Smear:
    """Returns the smear of that number."""
    return drawing.draw_smear(np.random.default_rng([7, number]), KINDS[number % len(KINDS)])


@functools.cache
def copy_of(number: int, copy: int) -> bytes:
    """Returns an augmented copy of a smear as JPEG: turned, shifted, sheared and flipped."""
    return copies.to_jpeg(
        copies.make_copy(draw(number), np.random.default_rng([number, copy])).picture
    )


def write_copies(part: Path, smears: Iterable[int], numbers: Iterable[int]) -> None:
    """Writes copies below a part, in folders by class, under names that tell the smear."""
    numbers = list(numbers)
    for smear in smears:
        folder = part / KINDS[smear % len(KINDS)]
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (folder / f"smear{smear}_{number}.jpeg").write_bytes(copy_of(smear, number))


def put(part: Path, name: str, picture: np.ndarray | bytes) -> None:
    """Writes bytes, or pixels in the format of the name's ending."""
    if isinstance(picture, bytes):
        (part / name).write_bytes(picture)
    else:
        Image.fromarray(picture).save(part / name)
