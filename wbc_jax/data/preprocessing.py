"""Encoded images to small uint8 arrays, as the paper does it, cached on disk.

settings = Settings(first_size=300, image_size=50, gray=True)
examples = load_split(prepared, "TEST", settings, cache_dir=cache)     # Examples
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tqdm import tqdm

from wbc_jax.cores import num_cores
from wbc_jax.data.array_cache import load_cached
from wbc_jax.data.examples import Examples
from wbc_jax.datasets.decoding import UndecodableError, decode
from wbc_jax.datasets.prepare import Example, PreparedDataset, read_split
from wbc_jax.errors import UserError
from wbc_jax.threads import ahead

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

    @property
    def channels(self) -> int:
        """Of a pre-processed image."""
        return 1 if self.gray else 3

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


def _preprocess_all(prepared: PreparedDataset, split: str, settings: Settings) -> Examples:
    """Pre-processes a split on every core, with a bounded number of encoded images in memory.

    Threads are enough: Pillow releases the interpreter's lock to decode and to resize. They get
    many images at once and write the pixels in place: handing over one by one cost a tenth.
    """
    num_examples = prepared.splits[split].num_examples
    side, channels = settings.image_size, settings.channels
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

    def fill(task: tuple[int, list[Example]]) -> None:
        first, examples = task
        _preprocess_into(images[first:], examples, settings)

    tasks, what = _tasks(read_split(prepared, split)), f"pre-processing {split}"
    with (
        ahead(fill, tasks, threads=num_cores(), per_thread=_TASKS_PER_WORKER) as filled,
        tqdm(total=num_examples, desc=what, unit=" images", disable=None) as progress,
    ):
        for (_, examples), future in filled:
            future.result()
            progress.update(len(examples))
            labels += (example.label for example in examples)
            filenames += (example.filename for example in examples)
            sources += (example.source for example in examples)
            scenes += (example.scene for example in examples)
    return Examples(
        images,
        np.array(labels, np.int32),
        np.array(filenames, dtype=np.str_),
        np.array(sources, dtype=np.str_),
        np.array(scenes, dtype=np.str_),
    )


def _tasks(examples: Iterator[Example]) -> Iterator[tuple[int, list[Example]]]:
    """Yields groups of about `_TASK_BYTES`, at least one in each, and the row of their first."""
    task: list[Example] = []
    first = num_bytes = 0
    for example in examples:
        task.append(example)
        num_bytes += len(example.image)
        if num_bytes >= _TASK_BYTES:
            yield first, task
            first += len(task)
            task, num_bytes = [], 0
    if task:
        yield first, task


def _preprocess_into(
    images: UInt8[np.ndarray, "n h w c"], examples: list[Example], settings: Settings
) -> None:
    """Writes the examples' pixels into the first rows of `images`."""
    for row, example in enumerate(examples):
        try:
            images[row] = preprocess(example.image, settings)
        except UndecodableError as error:
            raise UserError(
                f"image {example.filename} cannot be decoded ({error}); replace the file and "
                "prepare the data set anew"
            ) from error
