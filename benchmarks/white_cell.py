"""Does the window of the white-cell view hold the white cell, and what does finding it cost?

python -m benchmarks.white_cell --data_dir=DIR --bccd_dir=DIR --split=TRAIN
python -m benchmarks.white_cell --data_dir=DIR --bccd_dir=DIR --split=TEST --output=misses.png

On the originals at full size, 640x480, the truth is the boxes that people drew around white cells
for BCCD (public, 292 of the same photographs); without --bccd_dir this part is left out. On the
augmented copies the truth comes from their original through the recovered affine map: the box where
the original has one, else the extent of the nucleus found in the original. A cell counts as in
view where at least half of the ellipse in its box lies in the copy, and a window holds it where it
holds the centre of the box. The part of the nucleus that lies in the copy is counted by pixels: the
original's nucleus, mapped. Times are of one core.

--output gets a sheet of all misses. It shows real images: keep it out of the repository.
"""

import argparse
import functools
import io
import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.command_line import add_data_dir, add_outputs, create_parser, run, say
from benchmarks.machine import describe_machine, load_before
from benchmarks.white_cell_truth import Box, Cell, cells_of, inside, moved, read_boxes
from wbc_jax.data.preprocessing import VIEWS, Settings, preprocess
from wbc_jax.data.white_cell import find_nucleus, white_cell_window
from wbc_jax.datasets.blood_cells.sources import load_maps, smear_of
from wbc_jax.errors import UserError
from wbc_jax.leakage import originals, recovery
from wbc_jax.text_table import text_table

Window = tuple[int, int, int]  # first row, first column, side

IN_VIEW = 0.5  # least share of a cell
WHOLE = 0.9  # least share of the visible nucleus
_NUM_TIMED = 400
_THUMBNAIL = (160, 120)
_PER_ROW = 10


def main(arguments: Sequence[str]) -> None:
    """Measures and prints the tables.

    Raises:
        UserError: the images or the boxes are not there.
    """
    options = _parse(arguments)
    load, share = load_before(), options.window_side
    boxes = {} if options.bccd_dir is None else read_boxes(options.bccd_dir)
    tree = originals.find_originals(options.data_dir)
    division = originals.division(originals.load_labels(tree), originals.names(tree))
    names = sorted(name for name, one in division.items() if one.split == options.split)
    figures: dict[str, Any] = {}
    if boxes:
        with_box = {name: boxes[name] for name in names if boxes.get(name)}
        figures["originals"] = measure_originals(options.bccd_dir, with_box, share)
    cells = {name: cells_of(originals.read(tree, name), boxes.get(name, [])) for name in names}
    copies = _read_copies(options.data_dir, options.split)
    figures["copies"], misses = measure_copies(copies, cells, share)
    figures["copies"]["smears with a box"] = sum(bool(boxes.get(name)) for name in names)
    figures["time"] = measure_time(list(copies.values())[:: -(-len(copies) // _NUM_TIMED)], share)
    for title, of_title in figures.items():
        print(text_table([title, options.split], [[k, _text(v)] for k, v in of_title.items()]))
        print()
    if options.output and misses:
        write_sheet(options.output, {path: copies[path] for path in misses}, share)
        say(f"wrote {len(misses)} misses to {options.output}")
    if options.json:
        from benchmarks.outputs import write_result

        result = {
            "benchmark": "white_cell",
            "window_side": share,
            "machine": describe_machine(load),
            **figures,
        }
        write_result(options.json, {**result, "split": options.split, "misses": misses})


def measure_originals(
    bccd_dir: Path, boxes: Mapping[str, Sequence[Box]], share: float
) -> dict[str, float]:
    """Returns how many windows hold a box's centre, and how much of that box.

    Args:
        bccd_dir: holds the photographs.
        boxes: of white cells, by the photograph's name; at least one each.
        share: side of the window, of the image's height.
    """
    files = {file.stem: file for file in bccd_dir.rglob("BloodImage_*.jpg")}
    if missing := sorted(boxes.keys() - files.keys()):
        raise UserError(
            f"bccd_dir={bccd_dir} has boxes for {missing[0]} but no photograph {missing[0]}.jpg; "
            "name the folder that holds both, Annotations and JPEGImages"
        )
    found, in_box, held = 0, 0, []
    for name, of_name in boxes.items():
        image = Image.open(files[name]).convert("RGB")
        found += find_nucleus(np.asarray(image)) is not None
        top, left, side = white_cell_window(image, share)
        x, y = left + side / 2, top + side / 2
        in_box += any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for box in of_name)
        held.append(max(_share_of_box(box, (top, left, side)) for box in of_name))
    return {
        "photographs with a box": len(boxes),
        "nucleus found": found / len(boxes),
        "window's centre in a box": in_box / len(boxes),
        "box wholly in the window": float(np.mean(np.array(held) == 1.0)),
        "share of the box, 1st percentile": float(np.percentile(held, 1)),
        "share of the box, 5th percentile": float(np.percentile(held, 5)),
        "share of the box, median": float(np.median(held)),
    }


def measure_copies(
    copies: Mapping[str, bytes], cells: Mapping[str, Sequence[Cell]], share: float
) -> tuple[dict[str, float], list[str]]:
    """Returns the figures, and the copies with a cell in view whose window holds none.

    Args:
        copies: encoded, by path.
        cells: of every original, by its name.
        share: side of the window, of the image's height.
    """
    num_mapped = num_in_view = num_held = num_whole = num_nuclei = unfound = 0
    misses = []
    maps = load_maps()
    for path, encoded in copies.items():
        if path not in maps:  # its original is not certain
            continue
        num_mapped += 1
        image, matrix = _decode(encoded), maps[path]
        in_view = []
        for cell in cells[smear_of(path)]:
            body = moved(cell.body, matrix)
            if inside(body, (0, 0, *image.size)).mean() >= IN_VIEW:
                in_view.append(cell)
        top, left, side = white_cell_window(image, share)
        window = (left, top, left + side, top + side)
        if not in_view:
            unfound += find_nucleus(np.asarray(image)) is None
            continue
        num_in_view += 1
        held = [c for c in in_view if inside(moved(c.center, matrix), window).all()]
        num_held += bool(held)
        if not held:
            misses.append(path)
        nuclei = [moved(cell.nucleus, matrix) for cell in in_view if cell.nucleus.size]
        visible = [nucleus[inside(nucleus, (0, 0, *image.size))] for nucleus in nuclei]
        shares = [inside(points, window).mean() for points in visible if len(points)]
        num_nuclei += bool(shares)
        num_whole += any(seen >= WHOLE for seen in shares)
    figures = {
        "copies": len(copies),
        "copies of known originals": num_mapped,
        "white cell in view": num_in_view,
        "window holds its centre": num_held / max(1, num_in_view),
        "window holds 90 % of the nucleus in view": num_whole / max(1, num_nuclei),
        "no nucleus found where less is in view": unfound / max(1, num_mapped - num_in_view),
    }
    return figures, misses


def measure_time(encoded: Sequence[bytes], share: float) -> dict[str, float]:
    """Returns milliseconds per image on one core, and images per second of both views."""
    images = [_decode(one) for one in encoded]
    find = functools.partial(white_cell_window, share=share)
    find(images[0])
    figures = {"finding the window, ms": 1e3 * _seconds(find, images)}
    for view in VIEWS:
        settings = Settings(first_size=300, image_size=50, gray=False, view=view, window_side=share)
        prepare = functools.partial(preprocess, settings=settings)
        figures[f"{view}, images per second"] = 1 / _seconds(prepare, encoded)
    return figures


def write_sheet(path: Path, encoded: Mapping[str, bytes], share: float) -> None:
    """Writes images with their windows, in rows."""
    width, height = _THUMBNAIL
    sheet = Image.new("RGB", (_PER_ROW * width, -(-len(encoded) // _PER_ROW) * height))
    for place, one in enumerate(encoded.values()):
        image = _decode(one)
        top, left, side = white_cell_window(image, share)
        draw = ImageDraw.Draw(image)
        draw.rectangle((left, top, left + side, top + side), outline=(0, 255, 0), width=3)
        row, column = divmod(place, _PER_ROW)
        sheet.paste(image.resize(_THUMBNAIL), (column * width, row * height))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _read_copies(data_dir: Path, split: str) -> dict[str, bytes]:
    tree = recovery.find_copies(data_dir)
    paths = sorted(path for path in tree.files() if path.startswith(f"{split}/"))
    if not paths:
        raise UserError(f"data_dir={data_dir} holds no image of {split}; see README.md")
    return {path: tree.read(path) for path in paths}


def _decode(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded)).convert("RGB")


def _share_of_box(box: Box, window: Window) -> float:
    top, left, side = window
    width = min(box[2], left + side) - max(box[0], left)
    height = min(box[3], top + side) - max(box[1], top)
    return max(0.0, width) * max(0.0, height) / ((box[2] - box[0]) * (box[3] - box[1]))


def _seconds(work: Callable[[Any], Any], items: Sequence[Any]) -> float:
    """Returns the time of an item: the median, which what else the machine does moves little."""
    seconds = []
    for item in items:
        start = time.perf_counter()
        work(item)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _text(value: float) -> str:
    """Counts as they are, shares and times with the digits that mean something."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if value <= 1 else f"{value:.1f}"


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = create_parser("white_cell", __doc__)
    add_data_dir(parser)
    parser.add_argument("--bccd_dir", type=_folder, metavar="DIR", help="Folder of BCCD.")
    parser.add_argument("--split", choices=["TRAIN", "TEST"], default="TRAIN")
    parser.add_argument(
        "--window_side", type=float, default=0.6, help="As a share of the image's height."
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="Sheet of misses, PNG.")
    add_outputs(parser, plot=False)
    return parser.parse_args(arguments)


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder; name the folder of BCCD")
    return path


if __name__ == "__main__":
    run(main)
