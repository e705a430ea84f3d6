"""BCCD from its tree: kinds, centres, boxes, splits, what is dropped, and every mistake."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.datasets.bccd_tree import SIZE, write_annotation, write_bccd_tree
from wbc_jax.data.annotated import PictureSettings, load_annotated
from wbc_jax.datasets.bccd.annotations import AnnotationError, parse
from wbc_jax.datasets.bccd.source import locate
from wbc_jax.datasets.catalog import CELL_KINDS
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import PreparedDataset, prepare, read_records
from wbc_jax.errors import UserError


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`BCCD` with three photographs to train and two to validate; never changed by a test."""
    return write_bccd_tree(tmp_path_factory.mktemp("bccd"))


@pytest.fixture
def tree(original: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    return Path(shutil.copytree(original, tmp_path / "data" / "BCCD"))


def prepared_from(tree: Path, tmp_path: Path, on_bad_image: str = "error") -> PreparedDataset:
    return prepare("bccd", Places(tree.parent, tmp_path / "cache", on_bad_image=on_bad_image))


def annotation(*objects: str, size: str = "<width>160</width><height>120</height>") -> bytes:
    return f"<annotation><size>{size}</size>{''.join(objects)}</annotation>".encode()


def boxed(kind: str, top: int, left: int, bottom: int, right: int) -> str:
    corners = f"<ymin>{top}</ymin><xmin>{left}</xmin><ymax>{bottom}</ymax><xmax>{right}</xmax>"
    return f"<object><name>{kind}</name><bndbox>{corners}</bndbox></object>"


def test_every_cell_has_its_kind_and_its_colour_lies_at_its_centre(
    original: Path, tmp_path: Path
) -> None:
    """The stain under each centre is that of the kind: rows and columns are not exchanged."""
    prepared = prepared_from(original, tmp_path)
    assert {name: split.num_examples for name, split in prepared.splits.items()} == {
        "train": 3,
        "val": 2,
    }
    for record in read_records(prepared, "train"):
        path = original / record["filename"]
        assert record["image"] == path.read_bytes()
        pixels = np.asarray(Image.open(path))
        kinds: Counter[str] = Counter()
        cells = (record["cells"][name] for name in ("kind", "center", "box"))
        for kind, center, box in zip(*cells, strict=True):
            kinds[CELL_KINDS[kind]] += 1
            red = int(pixels[int(center[0]), int(center[1]), 0])
            darkness = {"RBC": (180, 220), "WBC": (60, 120), "Platelets": (125, 175)}
            low, high = darkness[CELL_KINDS[kind]]
            assert low < red < high
            top, left, bottom, right = np.array(box) * (SIZE[1], SIZE[0], SIZE[1], SIZE[0])
            np.testing.assert_allclose(
                center, [(top + bottom - 1) / 2, (left + right - 1) / 2], atol=1e-3
            )
        assert kinds == {"RBC": 3, "WBC": 1, "Platelets": 2}


def test_a_box_counts_pixels_from_one_and_includes_its_corners() -> None:
    found = parse(annotation(boxed("WBC", 1, 1, 120, 160), boxed("RBC", 11, 21, 20, 40)))
    assert [cell.box for cell in found.cells] == [(0, 0, 120, 160), (10, 20, 20, 40)]
    assert found.cells[1].center == (14.5, 29.5)


def test_a_box_without_area_is_dropped_and_noted(tree: Path, tmp_path: Path) -> None:
    names = (tree / "ImageSets" / "Main" / "train.txt").read_text().split()
    boxes = [("RBC", (10, 10, 30, 30)), ("RBC", (50, 60, 50, 60))]
    write_annotation(tree, names[0], boxes)
    records = {r["source"]: r for r in read_records(prepared_from(tree, tmp_path), "train")}
    assert len(records[names[0]]["cells"]["kind"]) == 1
    assert records[names[0]]["note"] == "dropped RBC at row 50, column 60: its box has no area"
    assert records[names[1]]["note"] == ""


def test_a_corrected_annotation_is_another_set(tree: Path, tmp_path: Path) -> None:
    """The photographs are the same: their bytes alone would not tell."""
    places, settings = Places(tree, tmp_path / "cache"), PictureSettings(60, 80)

    def load() -> tuple[PreparedDataset, int]:
        prepared = prepare("bccd", places)
        cells = load_annotated(prepared, "train", settings, cache_dir=places.cache_dir).cells
        return prepared, int((cells[..., 4] >= 0).sum())

    before, num_before = load()
    assert load() == (before, num_before)
    write_annotation(tree, "BloodImage_90000", [("WBC", (1, 1, 40, 40))])
    after, num_after = load()
    assert num_after == num_before - 5
    assert after.splits["train"].digest != before.splits["train"].digest
    assert after.splits["val"] == before.splits["val"]


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "no XML"),
        (b"<annotation><size>", "no XML"),
        (annotation(boxed("Basophil", 1, 1, 9, 9)), "kind 'Basophil'"),
        (annotation(boxed("RBC", 1, 1, 121, 9)), "reaches out of 120x160"),
        (annotation(boxed("RBC", -1, 1, 9, 9)), "reaches out"),
        (annotation(size="<width>160</width>"), "size/height is None"),
        (annotation("<object><name>RBC</name></object>"), "bndbox/ymin is None"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + annotation(), "document type"),
        (f"<!DOCTYPE a [<!ENTITY b 'c'>]>{annotation().decode()}".encode("utf-16"), "not in UTF-8"),
        (annotation().replace(b"120", b"12.5"), "'12.5', must be a whole number"),
    ],
)
def test_a_broken_annotation_is_refused_with_its_reason(encoded: bytes, reason: str) -> None:
    with pytest.raises(AnnotationError, match=reason):
        parse(encoded)


def test_broken_and_missing_files_are_all_named_or_left_out(tree: Path, tmp_path: Path) -> None:
    train = (tree / "ImageSets" / "Main" / "train.txt").read_text().split()
    (tree / "Annotations" / f"{train[0]}.xml").write_bytes(b"<annotation>")
    (tree / "JPEGImages" / f"{train[1]}.jpg").unlink()
    val = (tree / "ImageSets" / "Main" / "val.txt").read_text().split()
    write_annotation(tree, val[0], [], size=(80, 60))
    with pytest.raises(UserError, match="3 of the files") as refused:
        prepared_from(tree, tmp_path)
    for name in (f"{train[0]}.xml", f"{train[1]}.jpg (is missing)", f"{val[0]}.xml (is of 80x60"):
        assert name in str(refused.value)
    prepared = prepared_from(tree, tmp_path, "skip")
    assert len(prepared.left_out) == 3
    assert [split.num_examples for split in prepared.splits.values()] == [1, 1]


def test_a_set_without_its_splits_or_with_one_photograph_in_both_is_refused(
    tree: Path, tmp_path: Path
) -> None:
    folder = tree / "ImageSets" / "Main"
    name = (folder / "train.txt").read_text().split()[0]
    (folder / "val.txt").write_text(name)
    with pytest.raises(UserError, match=f"{name} is in two splits"):
        prepared_from(tree, tmp_path)
    (folder / "val.txt").unlink()
    with pytest.raises(UserError, match=r"val\.txt is missing"):
        prepared_from(tree, tmp_path)


def test_where_it_is_not_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match=r"(?s)found     other/.*get it.*without"):
        locate(tmp_path, cache_dir=tmp_path, download=False)


def test_the_published_copy_has_the_numbers_of_the_readme(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "bccd").is_dir():
        pytest.skip("BCCD is not present")
    prepared = prepare("bccd", Places(real_data / "bccd", tmp_path))
    counts = {}
    for split in prepared.splits:
        records = list(read_records(prepared, split))
        kinds = Counter(CELL_KINDS[kind] for r in records for kind in r["cells"]["kind"])
        counts[split] = (len(records), *(kinds[kind] for kind in CELL_KINDS))
    assert counts == {"train": (205, 2381, 214, 209), "val": (87, 967, 87, 83)}
