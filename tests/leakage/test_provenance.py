"""From folders of drawn originals and copies to the tables: what is true is known here."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wbc_jax.datasets.blood_cells import sources
from wbc_jax.datasets.synthetic_smears import copies, drawing
from wbc_jax.errors import UserError
from wbc_jax.leakage import (
    originals,
    provenance,
    provenance_checks,
    recovery,
    strangers,
    workers,
)
from wbc_jax.leakage.recovery import Recovered

NAMES = [f"BloodImage_{i:05d}" for i in range(6)]
SHIFT = 64  # of one original against another, pixels


@dataclass(frozen=True)
class Set:
    """A made-up set: where it is, each copy's original and map, and what was written of it."""

    place: Path
    output: Path
    truth: dict[str, tuple[str, np.ndarray]]
    divided: dict[str, originals.Original]
    counted: dict


def encode(picture: np.ndarray, scale: int = 1) -> bytes:
    image = Image.fromarray(picture)
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Set:
    """Six smears of two classes, two of which overlap, with copies; run as the command does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(originals, "NUM_DIVIDED", len(NAMES))
        patch.setattr(originals, "_NUM_TEST", 2)
        patch.setattr(strangers, "SAMPLE", 4)
        return _make(tmp_path_factory.mktemp("provenance"))


def _make(folder: Path) -> Set:
    place, output = folder / "data", folder / "out"
    labels = [(name, "NEUTROPHIL" if i % 2 else "MONOCYTE") for i, name in enumerate(NAMES)]
    divided = dict(originals.division(labels, NAMES))
    smears = [
        drawing.draw_smear(np.random.default_rng([9, i]), label.lower())
        for i, (_, label) in enumerate(labels)
    ]
    pictures = {name: smear.picture for name, smear in zip(NAMES, smears, strict=True)}
    # The field moved: of the first smear of TRAIN the last one shows all but a strip.
    train = [name for name in NAMES if divided[name].split == "TRAIN"]
    moved = np.roll(pictures[train[0]], -SHIFT, axis=1)
    moved[:, -SHIFT:] = pictures[train[-1]][:, -SHIFT:]
    pictures[train[-1]] = moved
    (place / "Original_Images").mkdir(parents=True)
    rows = [f",{i},{label}" for i, (_, label) in enumerate(labels)]
    (place / "labels.csv").write_text("\n".join([",Image,Category", *rows, ',99,"A, B"', ""]))
    truth = {}
    for name, smear in zip(NAMES, smears, strict=True):
        (place / "Original_Images" / f"{name}.jpg").write_bytes(encode(pictures[name], 2))
        kind = f"{divided[name].split}/{divided[name].label}"
        files = {}
        for number in range(2):
            seed = [number, int(name[-5:])]
            affine = copies.draw_affine(np.random.default_rng(seed), smear.white_center)
            affine[:, 2] += affine[:, :2] @ [0.5, 0.5] - 0.5  # pixel centres lay at halves
            source = drawing.Smear(
                pictures[name], smear.instances, smear.kinds, smear.white, smear.white_center
            )
            copy = copies.make_copy(source, np.random.default_rng(seed))
            files[f"{kind}/_{number}_{name[-5:]}.jpeg"] = (copy.picture, affine)
        if divided[name].split == "TEST":
            files[f"TEST_SIMPLE/{divided[name].label}/_0_{name[-5:]}.jpeg"] = (
                pictures[name],
                np.eye(2, 3),
            )
        for file, (picture, affine) in files.items():
            target = place / "images" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(encode(picture))
            truth[file] = (name, affine)
    foreign = drawing.draw_smear(np.random.default_rng([9, 99]), "monocyte").picture
    (place / "images" / "TRAIN" / "MONOCYTE" / "_9_9.jpeg").write_bytes(encode(foreign))
    counted = provenance.provenance(place, output, processes=1, recorded=False, checks=True)
    return Set(place, output, truth, divided, counted)


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines(), delimiter="\t"))


@pytest.fixture(scope="module")
def written(made: Set) -> dict[str, dict[str, str]]:
    rows = rows_of(made.output / "sources.tsv") + rows_of(made.output / "sources_simple.tsv")
    return {row["file"]: row for row in rows}


def test_every_copy_has_its_true_original(made: Set, written: dict[str, dict[str, str]]) -> None:
    assert set(written) == set(made.truth) | {"TRAIN/MONOCYTE/_9_9.jpeg"}
    assert {file: written[file]["original"] for file in made.truth} == {
        file: name for file, (name, _) in made.truth.items()
    }
    for file in made.truth:
        assert int(written[file]["inliers"]) >= max(10, 2 * int(written[file]["runner_up"]))
        assert float(written[file]["correlation"]) > 0.9
        assert 0.0 <= float(written[file]["cell_in_view"]) <= 1.0


def test_a_copy_of_no_original_is_unresolved_and_has_no_map(
    made: Set, written: dict[str, dict[str, str]]
) -> None:
    row = written["TRAIN/MONOCYTE/_9_9.jpeg"]
    assert (row["original"], row["cell_in_view"]) == ("", "")
    assert row["file"] not in {r["file"] for r in rows_of(made.output / "maps.tsv")}
    assert made.counted["unresolved"] == [row["file"]]
    assert (
        made.counted["resolved"]["TRAIN/MONOCYTE"]["resolved"] + 1
        == (made.counted["resolved"]["TRAIN/MONOCYTE"]["copies"])
    )


def test_the_written_maps_are_the_true_ones(made: Set) -> None:
    corners = np.array([[60, 50, 1], [260, 50, 1], [60, 190, 1], [260, 190, 1]], float).T
    rows = rows_of(made.output / "maps.tsv")
    assert {row["file"] for row in rows} == set(made.truth)
    for row in rows:
        found = np.array([float(v) for k, v in row.items() if k != "file"]).reshape(2, 3)
        off = np.linalg.norm((found - made.truth[row["file"]][1]) @ corners, axis=0).max()
        assert off < 0.25


def test_the_columns_stand_in_their_order(made: Set) -> None:
    for name in ("sources.tsv", "sources_simple.tsv"):
        header = (made.output / name).read_text().splitlines()[0]
        assert header == "file\toriginal\tinliers\trunner_up\tcorrelation\tcell_in_view"


def test_the_overlap_is_found_and_no_other(made: Set) -> None:
    train = [name for name in NAMES if made.divided[name].split == "TRAIN"]
    (row,) = rows_of(made.output / "overlaps.tsv")
    assert (row["first"], row["second"]) == (train[0], train[-1])
    assert abs(float(row["shift_x"]) + SHIFT) < 0.5
    assert abs(float(row["shift_y"])) < 0.5
    assert row["first_in"] == f"TRAIN/{made.divided[train[0]].label}"


def test_the_checks_count_what_is_true(made: Set) -> None:
    counted = made.counted
    assert counted["test_simple"]["repeated"] == counted["test_simple"]["missing"] == []
    assert counted["test_simple"]["largest_distance_from_identity"] < 0.5
    for control in ("among_train", "among_other_classes"):
        assert counted[control]["certain_of_other_scenes"] == []
    assert sum(counted["augmentation"]["flips"].values()) == 2 * len(NAMES)
    assert (made.output / "checks.json").is_file()
    assert (made.output / "provenance.png").is_file()


def test_a_copy_of_another_class_is_not_resolved(made: Set) -> None:
    tree = originals.find_originals(made.place)
    others = recovery.make_candidates({n: originals.read(tree, n) for n in NAMES[:2]}, {})
    file = next(file for file, (name, _) in made.truth.items() if name == NAMES[5])
    copy = originals.decode((made.place / "images" / file).read_bytes(), file)
    found = recovery.recover_one(file, copy, others)
    assert not found.resolved
    assert found.inliers < 10


@pytest.mark.parametrize(
    ("inliers", "runner_up", "correlation", "resolved"),
    [(10, 5, 0.91, True), (9, 0, 0.99, False), (30, 16, 0.99, False), (30, 5, 0.9, False)],
)
def test_the_rule(inliers: int, runner_up: int, correlation: float, resolved: bool) -> None:
    found = Recovered("a", "b", inliers, runner_up, correlation, np.eye(2, 3))
    assert found.resolved is resolved


def test_the_division_is_the_published_one() -> None:
    names = [f"BloodImage_{i:05d}" for i in range(360)]
    labels = [(name, "EOSINOPHIL") for name in names]
    labels[3] = (names[3], "EOSINOPHIL, NEUTROPHIL")
    labels[4] = (names[4], "")
    divided = originals.division(labels, names[:353])
    first = np.random.RandomState(10).permutation(351)[:71]
    single = [name for name in names[:353] if name not in (names[3], names[4])]
    assert {n for n, o in divided.items() if o.split == "TEST"} == {single[i] for i in first}
    with pytest.raises(UserError, match=r"350 original smears .* made of 351"):
        originals.division(labels, names[:352])


@pytest.mark.parametrize("flips", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_a_map_is_taken_apart_as_it_was_composed(flips: tuple[int, int]) -> None:
    turn, shear, shift = np.deg2rad(-17.0), 0.15, np.array([0.08 * 240, -0.03 * 320])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    sheared = np.array([[1.0, -np.sin(shear)], [0.0, np.cos(shear)]])
    back = rotation @ sheared @ np.diag(flips)  # (row, column) in the copy to the original
    middle = np.array([119.5, 159.5])
    forth = np.linalg.inv(back)
    offset = middle - forth @ (middle + rotation @ shift)
    matrix = np.column_stack([forth, offset])[::-1][:, [1, 0, 2]]
    parts = provenance_checks.decompose(matrix)
    expected = {
        "turn": -17.0,
        "shear": 0.15,
        "shift_y": 0.08,
        "shift_x": -0.03,
        "scale_y": 1.0,
        "scale_x": 1.0,
        "flip_y": float(flips[0] < 0),
        "flip_x": float(flips[1] < 0),
    }
    assert parts == pytest.approx(expected, abs=1e-9)


def test_several_processes_keep_the_order() -> None:
    assert list(workers.in_order(abs, [-3, 2, -1], processes=2)) == [3, 2, 1]


def test_files_that_are_no_copies_are_passed_over(
    made: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "NUM_DIVIDED", len(NAMES))
    monkeypatch.setattr(originals, "_NUM_TEST", 2)
    stray = ["readme.txt", "TRAIN/notes.txt", "TRAIN/MONOCYTE/more/x.jpeg", "VAL/MONOCYTE/x.jpeg"]
    stray += ["TRAIN/BASOPHIL/x.jpeg"]
    file = next(iter(made.truth))
    found = recovery.recover(made.place, {}, processes=1, files=[*stray, file])
    assert found.keys() == {file}


def test_real_copies_are_found_again_as_recorded(real_data: Path) -> None:
    """The monocytes of TEST have the fewest originals: the whole way takes seconds."""
    files = [file for file in sources.load_sources() if file.startswith("TEST/MONOCYTE/")][::155]
    found = recovery.recover(real_data, sources.load_scenes(), processes=1, files=files)
    for file, one in found.items():
        recorded = sources.load_sources()[file]
        assert one.resolved
        assert one.best == recorded.original
        assert (one.inliers, one.runner_up) == (recorded.inliers, recorded.runner_up)
        np.testing.assert_allclose(one.matrix, sources.load_maps()[file], atol=0.05)
