"""Boxes are read, cells are mapped, and a window that misses its cell is counted as a miss."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import white_cell
from benchmarks.white_cell_truth import cells_of, inside, moved, read_boxes
from wbc_jax.errors import UserError

NUCLEUS = (104, 66, 168)
SLIDE = (214, 212, 206)
SHARE = 0.6  # side of the window, of the image's height
BOX = """<annotation><object><name>WBC</name><bndbox><xmin>100</xmin><ymin>60</ymin>
<xmax>220</xmax><ymax>180</ymax></bndbox></object><object><name>RBC</name><bndbox>
<xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object></annotation>"""
FLIP = np.array([[-1.0, 0.0, 319.0], [0.0, 1.0, 0.0]])  # left and right


def smear(x: int, y: int, *, scale: int = 1) -> np.ndarray:
    """A slide with one nucleus of radius 20 at (x, y), times `scale`."""
    image = np.full((240 * scale, 320 * scale, 3), SLIDE, np.uint8)
    row, column = np.ogrid[: 240 * scale, : 320 * scale]
    image[(row - scale * y) ** 2 + (column - scale * x) ** 2 <= (20 * scale) ** 2] = NUCLEUS
    return image


def encoded(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def write_bccd(folder: Path, *, x: int) -> None:
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "BloodImage_00001.xml").write_text(BOX, encoding="utf-8")
    Image.fromarray(smear(x, 60, scale=2)).save(folder / "BloodImage_00001.jpg", quality=95)


@pytest.mark.parametrize(("x", "in_box"), [(80, 1.0), (250, 0.0)])
def test_a_window_is_held_to_the_box(x: int, in_box: float, tmp_path: Path) -> None:
    write_bccd(tmp_path, x=x)
    boxes = read_boxes(tmp_path)
    assert boxes == {"BloodImage_00001": [(100.0, 60.0, 220.0, 180.0)]}
    figures = white_cell.measure_originals(tmp_path, boxes, SHARE)
    assert figures["window's centre in a box"] == in_box
    assert figures["nucleus found"] == 1.0
    assert figures["box wholly in the window"] == in_box


def test_boxes_that_are_not_there_are_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no BloodImage_"):
        read_boxes(tmp_path)


@pytest.mark.parametrize("boxes", [[], [(100.0, 60.0, 220.0, 180.0)]])
def test_a_cell_lies_in_its_box_or_around_its_nucleus(boxes: list) -> None:
    (cell,) = cells_of(smear(80, 60), boxes)
    np.testing.assert_allclose(cell.center, [(80, 60)], atol=1)
    np.testing.assert_allclose(cell.nucleus.mean(axis=0), (80, 60), atol=1)
    radius = np.abs(cell.body - cell.center).max()
    assert radius == pytest.approx(30 if boxes else 20, abs=1.5)
    np.testing.assert_allclose(moved(cell.center, FLIP), [(239, 60)], atol=1)
    assert inside(cell.body, (80, 0, 320, 240)).mean() == pytest.approx(0.5, abs=0.05)


def test_a_slide_without_a_nucleus_and_without_a_box_has_no_cell() -> None:
    assert cells_of(np.full((240, 320, 3), SLIDE, np.uint8), []) == []


def test_copies_are_held_to_the_cell_of_their_original(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = dict.fromkeys(("TEST/one-a", "TEST/one-b", "TEST/off"), FLIP)
    monkeypatch.setattr(white_cell, "load_maps", lambda: maps)
    monkeypatch.setattr(white_cell, "smear_of", lambda path: path.partition("/")[2][:3])
    cells = {"one": cells_of(smear(80, 60), []), "off": cells_of(smear(80, 60), [])}
    cells["off"] = [
        white_cell.Cell(cell.center + 500, cell.body + 500, cell.nucleus + 500)
        for cell in cells["off"]
    ]
    right, wrong = encoded(smear(239, 60)), encoded(smear(60, 180))
    empty = encoded(np.full((240, 320, 3), SLIDE, np.uint8))
    copies = {"TEST/one-a": right, "TEST/one-b": wrong, "TEST/off": empty, "TEST/??": empty}
    figures, misses = white_cell.measure_copies(copies, cells, SHARE)
    assert misses == ["TEST/one-b"]
    assert figures == {
        "copies": 4,
        "copies of known originals": 3,
        "white cell in view": 2,
        "window holds its centre": 0.5,
        "window holds 90 % of the nucleus in view": 0.5,
        "no nucleus found where less is in view": 1.0,
    }


def test_times_are_of_every_view() -> None:
    figures = white_cell.measure_time([encoded(smear(80, 60))] * 3, SHARE)
    assert set(figures) == {
        "finding the window, ms",
        "whole, images per second",
        "white_cell, images per second",
    }
    assert min(figures.values()) > 0


def test_the_sheet_shows_every_miss_with_its_window(tmp_path: Path) -> None:
    image = encoded(smear(160, 120))
    white_cell.write_sheet(
        tmp_path / "new" / "sheet.png", {str(i): image for i in range(11)}, SHARE
    )
    sheet = np.asarray(Image.open(tmp_path / "new" / "sheet.png"))
    assert sheet.shape == (240, 1600, 3)
    green = (sheet[..., 1] > 200) & (sheet[..., 0] < 120)
    assert green[:120, 1440:].any()
    assert green[120:, :160].any()
    assert not sheet[120:, 160:].any()


def test_it_is_started_as_a_user_starts_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.white_cell"]
    root = Path(white_cell.__file__).parents[1]
    for arguments, code, said in (
        (["--help"], 0, "usage: python -m benchmarks.white_cell"),
        ([f"--data_dir={tmp_path}"], 2, "no original smears in data_dir"),
        ([f"--data_dir={tmp_path}", "--bccd_dir=nowhere"], 2, "name the folder of BCCD"),
    ):
        result = subprocess.run(
            [*command, *arguments], cwd=root, capture_output=True, text=True, check=False
        )
        assert result.returncode == code, result.stderr
        assert said in result.stdout + result.stderr
