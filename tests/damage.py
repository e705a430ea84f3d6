"""Ways in which a file on a disk is damaged, or does not get there."""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wbc_jax.digests import Damage

_BLOCK = 512  # bytes, as a disk loses them


def truncate(path: Path, rng: np.random.Generator) -> None:
    """Cuts the file at a random place."""
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content))])


def zero_block(path: Path, rng: np.random.Generator) -> None:
    """Zeroes a random block in which there is something else."""
    content = bytearray(path.read_bytes())
    blocks = range(0, len(content), _BLOCK)
    start = int(rng.choice([at for at in blocks if any(content[at : at + _BLOCK])]))
    end = min(start + _BLOCK, len(content))
    content[start:end] = bytes(end - start)
    path.write_bytes(content)


def flip_bit(path: Path, rng: np.random.Generator) -> None:
    """Flips one random bit."""
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def delete(path: Path, rng: np.random.Generator) -> None:
    """Takes the file away."""
    path.unlink()


DAMAGES: tuple[Callable[[Path, np.random.Generator], None], ...] = (
    truncate,
    zero_block,
    flip_bit,
    delete,
)


def fail_on_a_full_disk(*_: object) -> None:
    """Stands for whatever writes, and finds no room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def require_every_byte_to_count(path: Path, read: Callable[[], object]) -> None:
    """Changes one bit in each byte of a file in turn: each time reading it must name it."""
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(Damage, match=rf"{re.escape(path.name)} is damaged"):
            read()
