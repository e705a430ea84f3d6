"""Encoded images to small uint8 arrays, as the paper does it, cached on disk.

settings = Settings(first_size=300, image_size=50, gray=True)
examples = load_split(prepared, "TEST", settings, cache_dir=cache)     # Examples
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tqdm import tqdm

from wbc_jax.data.examples import Examples
from wbc_jax.datasets.prepare import Example, PreparedDataset, read_split
from wbc_jax.errors import UserError

_log = logging.getLogger(__name__)
# Raised whenever `preprocess` gives other pixels for the same settings.
_ARRAYS_VERSION = 1
_QUEUED_PER_WORKER = 16


@dataclass(frozen=True)
class Settings:
    """How an image becomes an array.

    Attributes:
        first_size: side of the square it is first resized to, pixels; 0 leaves that step out.
        image_size: side of the square the network sees, pixels.
        gray: convert to one channel; else three.
    """

    first_size: int
    image_size: int
    gray: bool

    def __post_init__(self) -> None:
        if self.image_size < 1 or self.first_size < 0:
            raise UserError(
                f"data.image_size={self.image_size} must be at least 1 and "
                f"data.first_size={self.first_size} at least 0 (0: no first step); "
                "the paper's are 50 and 300"
            )


def preprocess(encoded: bytes, settings: Settings) -> UInt8[np.ndarray, "h w c"]:
    """Decodes, resizes (twice) and, if asked, converts to grayscale.

    Resizing is Pillow's bicubic with antialiasing, grayscale its ITU-R 601 luma; both are ours, the
    paper does not say. The aspect ratio is not kept: a 320x240 image becomes a square, as there.

    Args:
        encoded: a file of any format Pillow reads.
        settings: sizes and colour.

    Returns:
        The image, 0 to 255.

    Raises:
        OSError: the file cannot be decoded.

    Source: the paper, section III.A.
    """
    with Image.open(io.BytesIO(encoded)) as file:
        image = file.convert("RGB")
    for side in (settings.first_size, settings.image_size):
        if side:
            image = image.resize((side, side), Image.Resampling.BICUBIC)
    if settings.gray:
        return np.asarray(image.convert("L"))[..., None]
    return np.asarray(image)


def load_split(
    prepared: PreparedDataset, split: str, settings: Settings, *, cache_dir: Path
) -> Examples:
    """Returns one split pre-processed, from the cache if it has been made before.

    The cache's key is made of the digest of the images and the settings; a damaged file in it is
    made anew.

    Raises:
        UserError: there is no such split, an image cannot be decoded, or the cache not be written.
    """
    start = time.perf_counter()
    path = _cache_path(prepared, split, settings, cache_dir)
    examples = _read(path)
    if examples is None:
        examples = _preprocess_all(prepared, split, settings)
        _write(path, examples)
    seconds = time.perf_counter() - start
    _log.info("%s %s: %d images in %.2f s", prepared.spec.name, split, len(examples.label), seconds)
    return examples


def _cache_path(prepared: PreparedDataset, split: str, settings: Settings, cache_dir: Path) -> Path:
    if split not in prepared.splits:
        raise UserError(
            f"split {split!r} is not in {prepared.spec.name}; there are: "
            f"{', '.join(prepared.splits)}"
        )
    key = {
        "arrays": _ARRAYS_VERSION,
        "digest": prepared.splits[split].digest,
        "classes": prepared.spec.classes,
        **asdict(settings),
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    return cache_dir / "arrays" / f"{prepared.spec.name.replace('/', '-')}-{split}-{name}.npz"


def _read(path: Path) -> Examples | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Examples(*(arrays[field] for field in Examples._fields))
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        _log.warning("cached arrays %s are damaged (%s): making them anew", path, error)
        return None


def _write(path: Path, examples: Examples) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(file, **examples._asdict())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise UserError(
            f"cache_dir: {path.parent} cannot be written ({error.strerror}); free some space or "
            "name another folder with --cache_dir or WBC_CACHE_DIR"
        ) from error


def _preprocess_all(prepared: PreparedDataset, split: str, settings: Settings) -> Examples:
    num_examples = prepared.splits[split].num_examples
    side, channels = settings.image_size, 1 if settings.gray else 3
    images = np.empty((num_examples, side, side, channels), np.uint8)
    labels = np.empty(num_examples, np.int32)
    filenames: list[str] = []
    progress = tqdm(
        total=num_examples, desc=f"pre-processing {split}", unit=" images", disable=None
    )
    with progress:
        for row, (example, image) in enumerate(_in_threads(read_split(prepared, split), settings)):
            images[row], labels[row] = image, example.label
            filenames.append(example.filename)
            progress.update()
    return Examples(images, labels, np.array(filenames, dtype=np.str_))


def _in_threads(
    examples: Iterator[Example], settings: Settings
) -> Iterator[tuple[Example, np.ndarray]]:
    """Pre-processes on every core, in order, with a bounded number of images in memory.

    Threads are enough: Pillow releases the interpreter's lock to decode and to resize.
    """
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:

        def submit(example: Example) -> tuple[Example, Future[np.ndarray]]:
            return example, pool.submit(preprocess, example.image, settings)

        queue = [submit(example) for example in islice(examples, workers * _QUEUED_PER_WORKER)]
        while queue:
            example, future = queue.pop(0)
            if (following := next(examples, None)) is not None:
                queue.append(submit(following))
            try:
                yield example, future.result()
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                raise UserError(
                    f"image {example.filename} cannot be decoded ({error}); replace the file and "
                    "prepare the data set anew"
                ) from error
