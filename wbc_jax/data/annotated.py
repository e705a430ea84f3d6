"""Pictures with all their cells as arrays, for detectors.

examples = load_annotated(prepared, "train", PictureSettings(240, 320), cache_dir=cache)
examples.image, examples.cells                # uint8 [n, h, w, 3], float32 [n, m, 5]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image
from tqdm import tqdm

from wbc_jax.data.array_cache import load_cached
from wbc_jax.data.examples import Examples
from wbc_jax.data.preprocessing import MOST_SIDE
from wbc_jax.datasets.decoding import UndecodableError, decode
from wbc_jax.datasets.prepare import PreparedDataset, read_records
from wbc_jax.errors import UserError

NO_CELL = -1  # the kind of a row that only fills up


@dataclass(frozen=True)
class PictureSettings:
    """How large a picture is.

    Attributes:
        height: rows, pixels.
        width: columns, pixels. Its ratio to the height need not be the picture's own.
    """

    height: int
    width: int


def picture_settings(size: Sequence[Any]) -> PictureSettings:
    """Returns the settings of a config's `data.picture_size`, rows and columns.

    Raises:
        UserError: they are not two, or out of range.
    """
    if len(size) != 2 or not all(type(side) is int and 1 <= side <= MOST_SIDE for side in size):
        raise UserError(
            f"data.picture_size={size} must be rows and columns, whole numbers from 1 to "
            f"{MOST_SIDE} pixels; (240, 320) is usual"
        )
    return PictureSettings(*size)


def shrink_picture(
    picture: Image.Image, size: tuple[int, int]
) -> UInt8[np.ndarray, "{size[0]} {size[1]} 3"]:
    """Returns a picture at the size that a detector gets, in training and in prediction.

    Args:
        picture: of three bands.
        size: rows, columns.
    """
    if picture.size != size[::-1]:
        picture = picture.resize(size[::-1], Image.Resampling.BOX)
    return np.asarray(picture)


def load_annotated(
    prepared: PreparedDataset, split: str, settings: PictureSettings, *, cache_dir: Path
) -> Examples:
    """Returns the pictures of one split with their cells, from the cache if they were made before.

    Args:
        prepared: a set with boxes.
        split: of it.
        settings: to which size pictures are brought; boxes with them.
        cache_dir: where arrays are kept.

    Raises:
        UserError: there is no such split, an image cannot be decoded, or the cache not be written.
    """
    return load_cached(
        prepared, split, settings, _read_all, cache_dir=cache_dir, names=Examples._fields
    )


def _read_all(prepared: PreparedDataset, split: str, settings: PictureSettings) -> Examples:
    count = prepared.splits[split].num_examples
    images = np.empty((count, settings.height, settings.width, 3), np.uint8)
    records: list[dict[str, Any]] = []
    cells: list[np.ndarray] = []
    kinds = prepared.spec.cell_kinds
    reading = tqdm(
        read_records(prepared, split),
        total=count,
        desc=f"reading {split}",
        unit=" images",
        disable=None,
    )
    for record in reading:
        try:
            picture = decode(record.pop("image"))
        except UndecodableError as error:
            raise UserError(
                f"image {record['filename']} cannot be decoded ({error}); replace the file and "
                "prepare the data set anew"
            ) from error
        images[len(records)] = shrink_picture(picture, (settings.height, settings.width))
        cells.append(_cells_of(record["cells"], kinds, settings))
        records.append(record)
    filename, source, scene = (
        np.array([str(record.get(name, record["source"])) for record in records], np.str_)
        for name in ("filename", "source", "scene")
    )
    label = np.array([record["label"] for record in records], np.int32)
    return Examples(images, label, filename, source, scene, _filled_up(cells))


def _cells_of(
    stored: Mapping[str, Sequence[Any]], kinds: Sequence[int], settings: PictureSettings
) -> Float32[np.ndarray, "m 5"]:
    """Returns the boxes in pixels; a cell's place is the middle of its box, as in BCCD."""
    boxes = np.array([*stored["box"]], np.float32).reshape(-1, 4)
    top, left, bottom, right = (boxes * ([settings.height, settings.width] * 2)).T
    kind = np.array([kinds[one] for one in stored["kind"]], np.float32)
    return np.stack(
        [
            (top + bottom - 1) / 2,
            (left + right - 1) / 2,
            (bottom - top) / 2,
            (right - left) / 2,
            kind,
        ],
        axis=-1,
    ).astype(np.float32)


def _filled_up(cells: Sequence[Float32[np.ndarray, "_ 5"]]) -> Float32[np.ndarray, "n m 5"]:
    most = max((len(one) for one in cells), default=0)
    filled = np.zeros((len(cells), max(most, 1), 5), np.float32)
    filled[..., 4] = NO_CELL
    for row, one in enumerate(cells):
        filled[row, : len(one)] = one
    return filled
