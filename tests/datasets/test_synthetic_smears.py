"""The prepared data set: what a reader of it may rely on. Uses the small `smoke` config."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from wbc_jax.datasets import catalog
from wbc_jax.datasets.synthetic_smears import synthetic_smears_dataset_builder as smears

SPEC = catalog.get("synthetic_smears/smoke")


def _prepare(folder: Path) -> smears.Builder:
    builder = smears.Builder(data_dir=folder, config="smoke")
    builder.download_and_prepare(file_format="array_record")
    return builder


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> smears.Builder:
    return _prepare(tmp_path_factory.mktemp("smears"))


@pytest.fixture(scope="module")
def examples(builder: smears.Builder) -> dict[str, list[dict[str, Any]]]:
    return {split: list(builder.as_data_source(split)) for split in ("train", "test")}


@pytest.fixture(scope="module")
def every(examples: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return examples["train"] + examples["test"]


def _kind_names(builder: smears.Builder) -> list[str]:
    return builder.info.features["cells"]["kind"].names


def test_name_version_and_classes_are_the_catalogues(builder):
    assert f"{builder.name}/{builder.builder_config.name}" == SPEC.name
    assert str(builder.version) == SPEC.version
    assert tuple(builder.info.features["label"].names) == SPEC.classes
    configured = {f"{smears.NAME}/{config.name}" for config in smears.Builder.BUILDER_CONFIGS}
    assert configured == {name for name in catalog.DATASETS if name.startswith(smears.NAME)}


def test_card_travels_with_the_data(builder):
    assert "not cells" in builder.info.description
    assert "wbc_jax_synthetic_smears" in builder.info.citation


def test_splits_have_the_announced_sizes_and_balanced_classes(examples):
    for split, count in (("train", 96), ("test", 32)):
        labels = Counter(int(example["label"]) for example in examples[split])
        assert labels == dict.fromkeys(range(4), count // 4)


def test_default_config_promises_2000_and_500_images():
    (default,) = (c for c in smears.Builder.BUILDER_CONFIGS if c.name == "default")
    assert [count * default.copies for count in default.smears] == [2000, 500]


def test_no_smear_is_in_both_splits(examples):
    sources = {
        split: Counter(example["source"] for example in part) for split, part in examples.items()
    }
    assert not sources["train"].keys() & sources["test"].keys()
    assert set(sources["train"].values()) == set(sources["test"].values()) == {4}


def test_splits_draw_different_pictures():
    train, test = (
        smears.draw_examples(split, 0, num_copies=1)[0][1]["image"] for split in ("train", "test")
    )
    assert train != test


def test_filenames_are_unique_and_say_split_class_and_smear(examples, every):
    assert len({example["filename"] for example in every}) == len(every)
    for split, part in examples.items():
        for example in part:
            folder, kind, file = example["filename"].decode().split("/")
            assert (folder, kind) == (split, SPEC.classes[example["label"]])
            assert example["source"].decode() == f"{split}_{file.partition('_copy_')[0]}"


def test_a_second_build_with_one_thread_has_the_same_bytes(builder, tmp_path, monkeypatch):
    monkeypatch.setattr(smears, "THREADS", 1)
    again = _prepare(tmp_path)
    first, second = (
        {file.name: file.read_bytes() for file in Path(b.data_dir).glob("*.array_record*")}
        for b in (builder, again)
    )
    assert len(first) == 2
    assert first == second


def test_copies_of_a_smear_differ(every):
    pictures = [example["image"].tobytes() for example in every]
    assert len(set(pictures)) == len(pictures)


def test_shapes_and_types(every):
    for example in every:
        assert example["image"].shape == (240, 320, 3)
        assert example["instances"].shape == (240, 320, 1)
        assert example["image"].dtype == example["instances"].dtype == np.uint8
        # TFDS decodes a sequence of unknown length to a list of one array per cell.
        assert {center.dtype for center in example["cells"]["center"]} == {np.dtype(np.float32)}
        assert {box.shape for box in example["cells"]["box"]} == {(4,)}


def test_each_image_shows_exactly_one_white_cell_of_its_label(builder, every):
    names = _kind_names(builder)
    for example in every:
        whites = [names[k] for k in example["cells"]["kind"] if names[k] in SPEC.classes]
        assert whites == [SPEC.classes[example["label"]]]


def test_red_cells_and_platelets_are_there(builder, every):
    names = _kind_names(builder)
    seen = Counter(names[k] for example in every for k in example["cells"]["kind"])
    assert seen["red_cell"] > 8 * len(every)
    assert seen["platelet"] > len(every)


def test_masks_boxes_and_centers_agree(every):
    for example in every:
        instances, cells = example["instances"][..., 0], example["cells"]
        numbers = np.unique(instances)
        assert numbers.tolist() == list(range(len(cells["kind"]) + 1)), example["filename"]
        found = ndimage.find_objects(instances)
        for i, (rows, columns) in enumerate(found):
            row, column = cells["center"][i].astype(int)
            assert instances[row, column] == i + 1
            tight = np.array([rows.start, columns.start, rows.stop, columns.stop])
            np.testing.assert_allclose(cells["box"][i] * [240, 320, 240, 320], tight, atol=1e-3)


def test_masks_lie_on_the_picture(builder, every):
    """Dark purple pixels are nuclei (or platelets), and black fill holds no cell."""
    names = _kind_names(builder)
    inside = total = 0
    for example in every:
        instances, image = example["instances"][..., 0], example["image"].astype(int)
        fill = ndimage.binary_erosion(image.max(2) < 4, iterations=3)
        assert not instances[fill].any()
        empty = (instances == 0) & (image.max(2) > 60)
        green, blue = image[..., 1], image[..., 2]
        dark = (green < 0.62 * np.median(green[empty])) & (blue > 1.2 * green)
        # The smear's slanted edge is interpolated with black; it is not a nucleus.
        dark &= ~ndimage.binary_dilation(image.max(2) < 30, iterations=5)
        kinds = np.array(["", *(names[k] for k in example["cells"]["kind"])])
        stained = np.isin(kinds, [*SPEC.classes, "platelet"])[instances]
        white = np.isin(kinds, SPEC.classes)[instances]
        assert (dark & white).sum() > 200, example["filename"]
        inside += (dark & stained).sum()
        total += dark.sum()
    assert inside / total > 0.97


def test_unknown_config_is_refused(tmp_path):
    with pytest.raises(ValueError, match="enormous"):
        smears.Builder(data_dir=tmp_path, config="enormous")
