"""Two annotations of one place, and a detector, are compared where both photographs show it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.bccd_agreement import Marks, common_area, compare, main, read_overlaps
from tests.datasets.bccd_tree import write_annotation
from wbc_jax.datasets.catalog import CELL_KINDS
from wbc_jax.errors import UserError
from wbc_jax.evaluation.detections import Detections, write_detections
from wbc_jax.seeds.matching import Cells
from wbc_jax.seeds.seed_points import Seeds

SHIFT = np.array([-100.0, 0.0])  # the second photograph lies 100 rows lower: sees rows from 100 on
RED, WHITE = 0, 1


def marks(*cells: tuple[float, float, int]) -> Marks:
    rows, columns, kinds = np.array(cells, np.float64).T
    return Marks(np.column_stack([rows, columns]), kinds.astype(int), np.full(len(rows), 40.0))


def test_cells_are_compared_where_both_see_them() -> None:
    first = marks((300, 300, RED), (240, 500, RED), (30, 300, RED), (250, 100, WHITE))
    second = marks((210, 300, RED), (300, 200, RED), (150, 100, WHITE), (450, 300, RED))
    # The first and the white cell are in both; two red cells have no partner; two are not seen.
    there = compare(first, second.moved(-SHIFT), common_area(SHIFT))
    assert [values.tolist() for values in there] == [[2, 2, 0], [4, 2, 0], [0, 0, 0]]
    back = compare(second, first.moved(SHIFT), common_area(-SHIFT))
    assert [values.tolist() for values in back] == [[2, 2, 0], [4, 2, 0], [0, 0, 0]]


def test_a_partner_may_lie_beyond_the_edge_of_the_area() -> None:
    """Cells are seen from row 155 on: one side counts the pair once, the other does not see it."""
    there = compare(marks((160, 300, RED)), marks((150, 300, RED)), common_area(SHIFT))
    assert [values[RED] for values in there] == [1, 1, 1]


def test_the_published_pairs_have_names_and_shifts() -> None:
    overlaps = read_overlaps()
    assert len(overlaps) > 30
    assert all(first < second and shift.shape == (2,) for first, second, shift in overlaps)


@pytest.fixture
def one_place(tmp_path: Path) -> Path:
    """Two photographs of one place: three red cells in the first, two of them in the second."""
    first, second, shift = read_overlaps()[0]
    tree = tmp_path / "BCCD"
    (tree / "JPEGImages").mkdir(parents=True)
    (tree / "ImageSets" / "Main").mkdir(parents=True)
    cells = np.array([(400.0, 300.0), (390.0, 450.0), (380.0, 150.0)])
    for name, own in ((first, cells), (second, (cells + shift)[:2])):
        corners = np.round(np.hstack([own - 40, own + 40])).astype(int).tolist()
        boxes = [("RBC", (top, left, down, right)) for top, left, down, right in corners]
        write_annotation(tree, name, boxes, size=(640, 480))
        Image.new("RGB", (640, 480)).save(tree / "JPEGImages" / f"{name}.jpg")
    for split, name in (("train", first), ("val", second)):
        (tree / "ImageSets" / "Main" / f"{split}.txt").write_text(f"{name}\n")
    return tree


def measured(one_place: Path, tmp_path: Path, *detectors: Path) -> dict[str, Any]:
    where = [f"--data_dir={one_place}", f"--cache_dir={tmp_path / 'cache'}"]
    runs = ["--detectors", *map(str, detectors)] if detectors else []
    main([*where, f"--json={tmp_path / 'agreement.json'}", *runs])
    tables: dict[str, Any] = json.loads((tmp_path / "agreement.json").read_text(encoding="utf-8"))
    return tables


def test_annotations_of_one_place(
    one_place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three in the first and two in the second: five seen, four of them in both."""
    tables = measured(one_place, tmp_path)
    assert list(tables) == ["annotation and annotation"]
    red = tables["annotation and annotation"]["RBC"]
    assert (red["cells"], red["shared"], red["agreement"]) == (5, 4, 0.8)
    assert (red["areas"], red["places"], red["count_difference"]) == (1, 1, 1.0)
    assert red["agreement_interval"] == [0.8, 0.8]
    assert tables["annotation and annotation"]["WBC"]["agreement"] is None
    assert "80.0% [80.0%, 80.0%]" in capsys.readouterr().out


def test_a_detector_is_compared_in_its_own_pixels(
    one_place: Path, detector_run: Path, tmp_path: Path
) -> None:
    """In the first photograph it finds one of three, sure enough, and one that is not there."""
    copy = Path(shutil.copytree(detector_run, tmp_path / "copy"))
    rows, columns = json.loads((copy / "config.json").read_text("utf-8"))["data"]["picture_size"]
    # Centres of boxes as Pascal VOC counts pixels lie half a pixel off; a seed may be 40 away.
    found = np.array([(400, 300, 0.9), (390, 450, 0.01), (420, 550, 0.9)], np.float32)
    seeds = Seeds(
        found[:, 0] * rows / 480,
        found[:, 1] * columns / 640,
        np.zeros(3, np.int32),
        found[:, 2],
    )
    name = f"{read_overlaps()[0][0]}.jpg"
    nothing = Cells(*np.zeros((4, 0), np.float32))
    nothing = nothing._replace(kinds=np.zeros(0, np.int32))
    written = Detections(np.array([name]), np.array([name]), [seeds], [nothing])
    write_detections(copy / "detections.npz", written)
    results = json.loads((copy / "results.json").read_text(encoding="utf-8"))
    (copy / "results.json").write_text(json.dumps(results | {"num_test": 1}), encoding="utf-8")
    tables = measured(one_place, tmp_path, copy)
    red = tables["detector and annotation"]["RBC"]
    assert (red["cells"], red["shared"], red["count_difference"]) == (5, 2, 1.0)
    assert red["agreement"] == pytest.approx(0.4)
    assert set(tables["detector and annotation"]) == set(CELL_KINDS)


def test_a_photograph_tested_twice_is_refused(one_place: Path, detector_run: Path) -> None:
    with pytest.raises(UserError, match="tested by two of the runs"):
        main([f"--data_dir={one_place}", "--detectors", str(detector_run), str(detector_run)])


def test_a_detector_of_other_pictures_is_refused(
    one_place: Path, detector_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="none of these runs tested a photograph"):
        measured(one_place, tmp_path, detector_run)
