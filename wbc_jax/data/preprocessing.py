"""Encoded images to small uint8 arrays, as the paper does it, cached on disk.

settings = Settings(first_size=300, image_size=50, gray=True)
examples = load_split(prepared, "TEST", settings, cache_dir=cache)     # Examples
"""

import hashlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tqdm import tqdm

from wbc_jax.cores import num_cores
from wbc_jax.data.array_files import read_arrays, write_arrays
from wbc_jax.data.examples import Examples
from wbc_jax.datasets.decoding import UndecodableError, decode
from wbc_jax.datasets.prepare import Example, PreparedDataset, read_split
from wbc_jax.digests import Damage
from wbc_jax.errors import UserError

_log = logging.getLogger(__name__)
# Raised whenever `preprocess` gives other pixels for the same settings.
_ARRAYS_VERSION = 2
# What a thread is given at once, in bytes of encoded images: about 35 JPEGs of the paper's set, or
# a single large PNG. Two such tasks wait while one is done.
_TASK_BYTES = 1 << 18
_TASKS_PER_WORKER = 3
# The paper's, and a window around the white cell, see `white_cell.py`.
VIEWS = ("whole", "white_cell")
MOST_SIDE = 2048  # pixels of an array; 300 of them fill 4 GB


@dataclass(frozen=True)
class Settings:
    """How an image becomes an array.

    Attributes:
        first_size: side of the square it is first resized to, pixels; 0 leaves that step out.
        image_size: side of the square the network sees, pixels.
        gray: convert to one channel; else three.
        view: what of the image is fed, one of `VIEWS`.
        window_side: of the view white_cell, as a share of the image's height.
    """

    first_size: int
    image_size: int
    gray: bool
    view: str = "whole"
    window_side: float = 0.6

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the squares that a view is resized to, one after the other, pixels."""
        both = self.first_size and self.view == "whole"
        return (self.first_size, self.image_size) if both else (self.image_size,)

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            raise UserError(
                f"data.view={self.view!r} must be one of {', '.join(VIEWS)}; "
                "the paper's is whole, and white_cell is a window around the white cell"
            )
        if not 0 < self.window_side <= 2:
            raise UserError(
                f"data.window_side={self.window_side} must lie in (0, 2]: the side of the window "
                "as a share of the image's height; a large white cell has 0.5"
            )
        if not 1 <= self.image_size <= MOST_SIDE or not 0 <= self.first_size <= MOST_SIDE:
            raise UserError(
                f"data.image_size={self.image_size} must be at least 1 and "
                f"data.first_size={self.first_size} at least 0 (0: no first step), both at most "
                f"{MOST_SIDE}; the paper's are 50 and 300"
            )


def preprocess(encoded: bytes, settings: Settings) -> UInt8[np.ndarray, "h w c"]:
    """Decodes, resizes (twice) and, if asked, converts to grayscale.

    Resizing is Pillow's bicubic with antialiasing, grayscale its ITU-R 601 luma; both are ours, the
    paper does not say. The aspect ratio is not kept: a 320x240 image becomes a square, as there.

    Pillow's shortcuts are left out, because they give other images. Over the 2,487 images of TEST:
    decoding at a reduced size (`Image.draft`) leaves a 320x240 JPEG as it is where 300 pixels are
    asked for; at half size it changes 22 % of the gray values, by up to 10, at a quarter 51 %, by
    up to 30. `reducing_gap=3` in the second step changes 21 %, by up to 6.

    The view `white_cell` is ours: the window is cut at full resolution and resized once, whatever
    `first_size` says.

    Args:
        encoded: a file of any format that `decode` reads.
        settings: sizes and colour.

    Returns:
        The image, 0 to 255.

    Raises:
        UndecodableError: the file is no image that can be used.

    Source: the paper, section III.A.
    """
    image = decode(encoded)
    if settings.view == "white_cell":
        # Here, because what it imports takes longer to load than the paper's view to begin.
        from wbc_jax.data.white_cell import crop_white_cell

        image = crop_white_cell(image, settings.window_side)
    return shrink(image, settings)


def shrink(view: Image.Image, settings: Settings) -> UInt8[np.ndarray, "h w c"]:
    """Returns what the network gets of a view: the whole RGB picture, or the window in it."""
    for side in settings.sides:
        view = view.resize((side, side), Image.Resampling.BICUBIC)
    if settings.gray:
        return np.asarray(view.convert("L"))[..., None]
    return np.asarray(view)


def load_split(
    prepared: PreparedDataset, split: str, settings: Settings, *, cache_dir: Path
) -> Examples:
    """Returns one split pre-processed, from the cache if it has been made before.

    Raises:
        UserError: there is no such split, an image cannot be decoded, or the cache not be written.
    """
    return load_cached(prepared, split, settings, _preprocess_all, cache_dir=cache_dir)


def load_cached(
    prepared: PreparedDataset,
    split: str,
    settings: Any,
    make: Callable[[PreparedDataset, str, Any], Examples],
    *,
    cache_dir: Path,
    names: Sequence[str] = Examples._fields[:5],
) -> Examples:
    """Returns what `make` makes of a split, from the cache if it has been made before.

    The cache's key is made of the set's version, the digest of the images and the settings; a
    damaged file in it is made anew.

    Args:
        prepared: the set.
        split: of it.
        settings: a dataclass: what the arrays depend on besides.
        make: from the set, the split and the settings to its examples.
        cache_dir: where arrays are kept.
        names: the arrays that it makes.

    Raises:
        UserError: there is no such split, an image cannot be decoded, or the cache not be written.
    """
    start = time.perf_counter()
    path = _cache_path(prepared, split, settings, cache_dir)
    examples = _read(path, names)
    if examples is None:
        examples = make(prepared, split, settings)
        _write(path, {name: getattr(examples, name) for name in names})
    seconds = time.perf_counter() - start
    _log.info("%s %s: %d images in %.2f s", prepared.spec.name, split, len(examples.label), seconds)
    return examples


def _cache_path(prepared: PreparedDataset, split: str, settings: Any, cache_dir: Path) -> Path:
    if split not in prepared.splits:
        raise UserError(
            f"split {split!r} is not in {prepared.spec.name}; there are: "
            f"{', '.join(prepared.splits)}"
        )
    key = {
        "arrays": _ARRAYS_VERSION,
        "digest": prepared.splits[split].digest,
        "version": prepared.spec.version,  # the digest does not cover `source`
        "classes": prepared.spec.classes,
        **asdict(settings),
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    return cache_dir / "arrays" / f"{prepared.spec.name.replace('/', '-')}-{split}-{name}.npz"


def _read(path: Path, names: Sequence[str]) -> Examples | None:
    if not path.exists():
        return None
    try:
        return Examples(**dict(zip(names, read_arrays(path, names), strict=True)))
    except Damage as damage:
        _log.warning("cached arrays %s: making them anew", damage)
        return None


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    try:
        write_arrays(path, arrays)
    except OSError as error:
        raise UserError(
            f"cache_dir: {path.parent} cannot be written ({error.strerror}); free some space or "
            "name another folder with --cache_dir or WBC_CACHE_DIR"
        ) from error


def _preprocess_all(prepared: PreparedDataset, split: str, settings: Settings) -> Examples:
    """Pre-processes a split on every core, with a bounded number of encoded images in memory.

    Threads are enough: Pillow releases the interpreter's lock to decode and to resize. They get
    many images at once and write the pixels in place: handing over one by one cost a tenth.
    """
    num_examples = prepared.splits[split].num_examples
    side, channels = settings.image_size, 1 if settings.gray else 3
    try:
        images = np.empty((num_examples, side, side, channels), np.uint8)
    except MemoryError as error:
        raise UserError(
            f"data.image_size={side}: {num_examples:,} images of that size need "
            f"{num_examples * side * side * channels / 1e9:,.0f} GB of memory; lower it"
        ) from error
    labels: list[int] = []
    filenames: list[str] = []
    sources: list[str] = []
    scenes: list[str] = []
    running: deque[Future[int]] = deque()
    workers = num_cores()
    pool = ThreadPoolExecutor(workers)
    progress = tqdm(
        total=num_examples, desc=f"pre-processing {split}", unit=" images", disable=None
    )
    with progress:
        try:
            for task in _tasks(read_split(prepared, split)):
                rows = images[len(labels) : len(labels) + len(task)]
                running.append(pool.submit(_preprocess_into, rows, task, settings))
                labels += (example.label for example in task)
                filenames += (example.filename for example in task)
                sources += (example.source for example in task)
                scenes += (example.scene for example in task)
                if len(running) > workers * _TASKS_PER_WORKER:
                    progress.update(running.popleft().result())
            while running:
                progress.update(running.popleft().result())
        finally:
            pool.shutdown(cancel_futures=True)
    return Examples(
        images,
        np.array(labels, np.int32),
        np.array(filenames, dtype=np.str_),
        np.array(sources, dtype=np.str_),
        np.array(scenes, dtype=np.str_),
    )


def _tasks(examples: Iterator[Example]) -> Iterator[list[Example]]:
    """Yields the examples in groups of about `_TASK_BYTES`, at least one in each."""
    task: list[Example] = []
    num_bytes = 0
    for example in examples:
        task.append(example)
        num_bytes += len(example.image)
        if num_bytes >= _TASK_BYTES:
            yield task
            task, num_bytes = [], 0
    if task:
        yield task


def _preprocess_into(
    images: UInt8[np.ndarray, "n h w c"], examples: list[Example], settings: Settings
) -> int:
    """Writes the examples' pixels into `images`; returns how many they are."""
    for row, example in enumerate(examples):
        try:
            images[row] = preprocess(example.image, settings)
        except UndecodableError as error:
            raise UserError(
                f"image {example.filename} cannot be decoded ({error}); replace the file and "
                "prepare the data set anew"
            ) from error
    return len(examples)
