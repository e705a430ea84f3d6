"""What is kept of a detector's pictures is read back as it was."""

import io
from pathlib import Path

import numpy as np
import pytest

from wbc_jax.errors import UserError
from wbc_jax.evaluation.detections import Detections, read_detections, write_detections
from wbc_jax.seeds.matching import Cells
from wbc_jax.seeds.seed_points import Seeds


def some(number: int, seed: int) -> list[np.ndarray]:
    """Rows, columns, kinds and scores or radii of so many cells."""
    random = np.random.default_rng(seed)
    rows, columns, last = random.uniform(0, 99, (3, number)).astype(np.float32)
    return [rows, columns, random.integers(0, 3, number, dtype=np.int32), last]


def test_pictures_with_and_without_cells_are_read_back(tmp_path: Path) -> None:
    numbers = [(3, 0), (0, 2), (0, 0), (4, 5)]
    written = Detections(
        np.array(["a.png", "b.png", "c.png", "d.png"]),
        np.array(["x", "x", "y", "z"]),
        [Seeds(*some(found, found)) for found, _ in numbers],
        [Cells(*some(there, 9 + there)) for _, there in numbers],
    )
    write_detections(tmp_path / "d.npz", written)
    back = read_detections(tmp_path / "d.npz")
    np.testing.assert_array_equal(back.filenames, written.filenames)
    np.testing.assert_array_equal(back.scenes, written.scenes)
    for ours, theirs in ((back.seeds, written.seeds), (back.cells, written.cells)):
        assert [len(one.rows) for one in ours] == [len(one.rows) for one in theirs]
        for one, other in zip(ours, theirs, strict=True):
            for values, expected in zip(one, other, strict=True):
                np.testing.assert_array_equal(values, expected)
                assert values.dtype == expected.dtype


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.zeros(1)})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing"),
        (b"", "cannot be read"),
        (b"PK", "cannot be read"),
        (zipped("other")[:-30], "cannot be read"),
        (zipped("other"), "lacks an array"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "d.npz").write_bytes(content)
    with pytest.raises(UserError, match=rf"d\.npz {said}"):
        read_detections(tmp_path / "d.npz")
