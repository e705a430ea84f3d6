"""The recorded sources: whole, consistent with the published files, and safe to group by."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from wbc_jax.datasets.blood_cells import reference, sources
from wbc_jax.datasets.blood_cells.sources import Source

FOLDER = Path(sources.__file__).parent
# Of the published division: eosinophils, lymphocytes, monocytes, neutrophils.
ORIGINALS = {
    "TEST": {"EOSINOPHIL": 13, "LYMPHOCYTE": 6, "MONOCYTE": 4, "NEUTROPHIL": 48},
    "TRAIN": {"EOSINOPHIL": 75, "LYMPHOCYTE": 27, "MONOCYTE": 16, "NEUTROPHIL": 159},
}


@pytest.fixture
def one_unresolved(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made = {
        "TRAIN/MONOCYTE/_0_1.jpeg": Source(None, 8, 7, 0.4, None),
        "TRAIN/MONOCYTE/_0_2.jpeg": Source("BloodImage_00003", 90, 5, 0.99, 1.0),
        "TRAIN/MONOCYTE/_0_3.jpeg": Source("BloodImage_00007", 90, 5, 0.99, 1.0),
    }
    monkeypatch.setattr(sources, "load_sources", lambda: made)
    monkeypatch.setattr(sources, "load_scenes", lambda: {"BloodImage_00007": "BloodImage_00002"})
    return iter(())


def test_every_published_image_has_a_row() -> None:
    assert set(sources.load_sources()) == set(reference.load_reference().files)


def test_at_least_99_percent_are_resolved_by_the_rule() -> None:
    everything: Mapping[str, Source] = sources.load_sources()
    resolved = [source for source in everything.values() if source.original]
    assert len(resolved) >= 0.99 * len(everything)
    for source in resolved:
        assert source.inliers >= 10
        assert source.inliers >= 2 * source.runner_up
        assert source.correlation > 0.9
        assert source.cell_in_view is None or 0.0 <= source.cell_in_view <= 1.0


def test_no_original_is_on_both_sides_or_in_two_classes() -> None:
    kinds: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for file, source in sources.load_sources().items():
        split, label, _ = file.split("/")
        if source.original:
            kinds[source.original].add((split.removesuffix("_SIMPLE"), label))
    assert {len(places) for places in kinds.values()} == {1}
    counts = Counter(place for places in kinds.values() for place in places)
    for split, classes in ORIGINALS.items():
        for label, originals in classes.items():
            assert counts[split, label] == originals


def test_every_resolved_image_has_a_map_that_keeps_areas_nearly() -> None:
    maps = sources.load_maps()
    resolved = {file for file, source in sources.load_sources().items() if source.original}
    assert set(maps) == resolved
    areas = np.abs([np.linalg.det(matrix[:, :2]) for matrix in maps.values()])
    # A shear by an angle makes the copy larger by 1 / its cosine: at most 1.02 for 0.2 radians.
    assert areas.min() > 0.99
    assert areas.max() < 1.03


def test_scenes_join_smears_and_are_named_by_their_first() -> None:
    scenes = sources.load_scenes()
    assert all(scenes[scene] == scene for scene in scenes.values())
    assert all(scene <= name for name, scene in scenes.items())


def test_chains_of_overlaps_are_one_scene() -> None:
    pairs = [("c", "d"), ("e", "f"), ("a", "d"), ("b", "c")]
    assert sources.join_scenes(pairs) == {**dict.fromkeys("abcd", "a"), "e": "e", "f": "e"}
    assert sources.join_scenes([]) == {}


def test_the_cells_on_both_sides_of_the_official_division_are_known() -> None:
    """Photographs of TEST that overlap one of TRAIN; whoever divides by scene relies on it."""
    scenes = {
        split: {sources.scene_of(file) for file in sources.load_sources() if file.startswith(split)}
        for split in ("TEST/", "TRAIN/")
    }
    shared = {name.removeprefix("BloodImage_00") for name in scenes["TEST/"] & scenes["TRAIN/"]}
    assert shared == {"204", "223", "230", "364", "365", "377"}


def test_test_simple_has_the_originals_of_test_but_two_and_two_twice() -> None:
    smears = {
        split: Counter(
            sources.smear_of(file) for file in sources.load_sources() if file.startswith(split)
        )
        for split in ("TEST/", "TEST_SIMPLE/")
    }
    simple = smears["TEST_SIMPLE/"]
    assert set(smears["TEST/"]) - set(simple) == {"BloodImage_00062", "BloodImage_00095"}
    assert set(simple) - set(smears["TEST/"]) == set()
    assert sorted(n for n in simple if simple[n] > 1) == ["BloodImage_00093", "BloodImage_00139"]


def test_an_unresolved_image_belongs_to_no_smear(one_unresolved: None) -> None:
    assert sources.smear_of("TRAIN/MONOCYTE/_0_1.jpeg") == sources.UNRESOLVED
    assert sources.smear_of("TRAIN/MONOCYTE/not_there.jpeg") == sources.UNRESOLVED
    assert sources.scene_of("TRAIN/MONOCYTE/_0_1.jpeg") == sources.UNRESOLVED
    assert sources.smear_of("TRAIN/MONOCYTE/_0_2.jpeg") == "BloodImage_00003"
    assert sources.scene_of("TRAIN/MONOCYTE/_0_2.jpeg") == "BloodImage_00003"
    assert sources.scene_of("TRAIN/MONOCYTE/_0_3.jpeg") == "BloodImage_00002"


@pytest.mark.parametrize(
    ("table", "megabytes"),
    [("sources.tsv", 2.0), ("maps.tsv", 1.5), ("sources_simple.tsv", 0.1), ("overlaps.tsv", 0.1)],
)
def test_the_tables_are_small_sorted_and_nothing_but_a_table(table: str, megabytes: float) -> None:
    content = (FOLDER / table).read_bytes()
    assert len(content) < megabytes * 1e6
    header, *rows = content.decode("ascii").splitlines()
    assert {line.count("\t") for line in rows} == {header.count("\t")}
    assert rows == sorted(rows, key=lambda row: row.split("\t")[:2])
