"""How long a prediction takes, and whether its memory stays flat over many files.

python -m benchmarks.predict --run=runs/white_cell-cnn-official-seed0
python -m benchmarks.predict --run=RUN --detector=RUN --pictures=FOLDER --count=10000

A smear: one file of 640x480 pixels from its bytes to classified cells, after a warm-up; without
--pictures it is drawn. Single cells: the same pictures over and over in a folder of --count files,
by the whole of --mode=predict --single_cells: reading, decoding, classifying, the tables and the
gallery; the warm-up before it is a tenth of the files and is not timed. Memory is the process's
peak after the warm-up and at the end. Seconds of the clock, and of the processor, which other
processes on the machine hardly disturb.
"""

import io
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.command_line import (
    add_outputs,
    at_least,
    create_parser,
    run,
    say,
)
from benchmarks.machine import describe_machine, load_before, peak_mebibytes
from benchmarks.timing import spread
from wbc_jax.atomic_files import write_json
from wbc_jax.datasets.catalog import CLASSES
from wbc_jax.datasets.encoding import encode
from wbc_jax.datasets.picture_names import is_read
from wbc_jax.datasets.synthetic_smears import drawing
from wbc_jax.evaluation.classifier import load_classifier
from wbc_jax.prediction.pictures import find_pictures
from wbc_jax.prediction.predict import predict
from wbc_jax.prediction.predictor import Predictor
from wbc_jax.seeds.detection import load_detector
from wbc_jax.text_table import text_table

_SIZE = (640, 480)  # columns, rows of a smear
_NUM_DRAWN = 20
_NUM_SMEARS = 50  # timed


def main(arguments: Sequence[str]) -> None:
    """Measures and prints the table."""
    parser = create_parser("predict", __doc__)
    parser.add_argument("--run", type=Path, required=True, help="Directory of a finished run.")
    parser.add_argument("--detector", type=Path, help="Of a trained detector; else the classical.")
    parser.add_argument("--pictures", type=Path, help="Folder of smears; else they are drawn.")
    parser.add_argument("--count", type=at_least(100), default=10_000, help="Single-cell files.")
    add_outputs(parser, plot=False)
    options = parser.parse_args(arguments)
    load = load_before()
    encoded = _draw() if options.pictures is None else _read(options.pictures)
    smear = _time_smears(options.run, options.detector, encoded)
    single = _time_single_cells(options.run, encoded, options.count)
    rows = [
        [f"smear, {name}", f"{smear[name]['wall_ms']:.1f} ms", f"{smear[name]['cpu_ms']:.1f} ms"]
        for name in smear
    ]
    rows.append(
        ["single cells a second", f"{single['per_second']:.0f}", f"{single['per_cpu_second']:.0f}"]
    )
    print(text_table(["what", "clock", "processor"], rows))
    print(
        f"peak memory after {single['warm_up']:,} files {single['peak_before_mb']:.0f} MB, after "
        f"{single['count']:,} more {single['peak_after_mb']:.0f} MB"
    )
    if options.json:
        figures = {"smear": smear, "single_cells": single}
        write_json(options.json, {**figures, "machine": describe_machine(load)})


def _time_smears(
    workdir: Path, detector: Path | None, encoded: list[bytes]
) -> dict[str, dict[str, float]]:
    predictor = Predictor(load_classifier(workdir), load_detector(detector))
    large = [_to_size(content) for content in encoded]

    def whole(content: bytes) -> None:
        predictor.classify(predictor.look(content).inputs)

    sights = [predictor.look(content) for content in large]
    parts: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
        "end to end": (whole, large),
        "decoding, detector, windows": (predictor.look, large),
        "classifier": (predictor.classify, [sight.inputs for sight in sights]),
    }
    found = {}
    for name, (work, items) in parts.items():
        for item in items[:3]:
            work(item)  # compiles
        wall, cpu = [], []
        for index in range(_NUM_SMEARS):
            started, used = time.perf_counter(), time.process_time()
            work(items[index % len(items)])
            wall.append(time.perf_counter() - started)
            cpu.append(time.process_time() - used)
        middle, slow = spread(wall), sorted(wall)[int(0.95 * len(wall))]
        say(f"{name}: {1e3 * middle.median:.1f} ms, 95th of 100: {1e3 * slow:.1f} ms")
        found[name] = {
            "wall_ms": 1e3 * middle.median,
            "wall_ms_95": 1e3 * slow,
            "cpu_ms": 1e3 * spread(cpu).median,
        }
    return found


def _time_single_cells(workdir: Path, encoded: list[bytes], count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        few = _spread_out(encoded, count // 10, Path(folder, "few"))
        predict(workdir, few, Path(folder, "out"), single_cells=True)
        before = peak_mebibytes()
        many = _spread_out(encoded, count, Path(folder, "many"))
        started, used = time.perf_counter(), time.process_time()
        predict(workdir, many, Path(folder, "out"), single_cells=True)
        wall, cpu = time.perf_counter() - started, time.process_time() - used
        return {
            "warm_up": count // 10,
            "count": count,
            "per_second": count / wall,
            "per_cpu_second": count / cpu,
            "peak_before_mb": before,
            "peak_after_mb": peak_mebibytes(),
        }


def _spread_out(encoded: list[bytes], count: int, folder: Path) -> Path:
    """Writes so many files that hold the pictures in turn."""
    folder.mkdir()
    for index in range(count):
        path = folder / f"{index:06d}.jpeg"
        first = folder / f"{index % len(encoded):06d}.jpeg"
        if path == first:
            path.write_bytes(encoded[index])
        else:
            shutil.copyfile(first, path)
    return folder


def _draw() -> list[bytes]:
    found = []
    for index in range(_NUM_DRAWN):
        random = np.random.default_rng([0, index])
        smear = drawing.draw_smear(random, CLASSES[index % len(CLASSES)])
        found.append(_to_jpeg(Image.fromarray(smear.picture)))
    return found


def _read(folder: Path) -> list[bytes]:
    pictures = find_pictures(folder)
    names = [name for name in pictures.names if is_read(name)]
    return [pictures.read(name) for name in names]


def _to_size(encoded: bytes) -> bytes:
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    return encoded if image.size == _SIZE else _to_jpeg(image.resize(_SIZE))


def _to_jpeg(image: Image.Image) -> bytes:
    return encode(image, "JPEG", quality=92)


if __name__ == "__main__":
    run(main)
