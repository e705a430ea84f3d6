"""Pictures with cells as arrays, and cells that move with their picture."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from tests.datasets.bccd_tree import RADII, SIZE, write_annotation, write_bccd_tree
from wbc_jax.data import geometry
from wbc_jax.data.annotated import NO_CELL, PictureSettings, shrink_picture
from wbc_jax.data.augmentation import Augmentation
from wbc_jax.data.load import Data, load_pictures
from wbc_jax.data.protocols import Draw
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.reporting.summary import data_summary


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bccd_tree(tmp_path_factory.mktemp("tree"), train=6, val=3).parent


def load(tree: Path, cache: Path, height: int = 120, width: int = 160, share: float = 0.0) -> Data:
    return load_pictures(
        "bccd",
        PictureSettings(height, width),
        Places(tree, cache),
        draw=Draw(0, validation_share=share),
    )


def test_cells_are_in_the_pixels_of_the_arrays(tree: Path, tmp_path: Path) -> None:
    whole, half = load(tree, tmp_path).partition.train, load(tree, tmp_path, 60, 80).partition.train
    assert whole.cells is not None
    assert half.cells is not None
    assert half.image.shape == (6, 60, 80, 3)
    kinds = whole.cells[..., 4]
    for kind, radius in enumerate(RADII.values()):
        assert (kinds == kind).sum() == 6 * (3, 1, 2)[kind]
        np.testing.assert_allclose(whole.cells[kinds == kind][:, 2:4], radius, atol=1e-3)
    there = kinds != NO_CELL
    middles = (whole.cells[there][:, :2] + 0.5) / 2 - 0.5
    np.testing.assert_allclose(half.cells[there][:, :2], middles, atol=1e-3)
    again = load(tree, tmp_path).partition.train  # from the cache
    np.testing.assert_array_equal(again.cells, whole.cells)


def test_rows_that_fill_up_are_of_no_kind(tmp_path: Path) -> None:
    """Kind 0 would be a red cell in the corner."""
    tree = write_bccd_tree(tmp_path / "tree", train=2, val=1)
    write_annotation(tree, "BloodImage_90000", [("WBC", (41, 61, 60, 90))])
    train = load(tree.parent, tmp_path / "cache").partition.train
    assert train.cells is not None
    alone = train.cells[train.filename.tolist().index("JPEGImages/BloodImage_90000.jpg")]
    assert train.cells.shape == (2, 6, 5)
    assert alone[:, 4].tolist() == [1] + [NO_CELL] * 5
    np.testing.assert_allclose(alone[0, :4], [49.5, 74.5, 10, 15], atol=1e-4)


def test_a_picture_that_is_made_smaller_is_averaged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    small = shrink_picture(Image.fromarray(pixels), (3, 4))
    means = pixels.reshape(3, 2, 4, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, means, atol=1)


def test_the_description_counts_cells_and_the_pictures_they_are_in(
    tree: Path, tmp_path: Path
) -> None:
    facts = load(tree, tmp_path, share=0.34).describe()
    assert (facts["num_train"], facts["num_validation"], facts["num_test"]) == (4, 2, 3)
    assert facts["train_class_counts"] == {"RBC": 12, "WBC": 4, "Platelets": 8}
    assert facts["counted"] == "cells"
    assert facts["smears"]["test"] == {"RBC": 3, "WBC": 3, "Platelets": 3}
    assert facts["all_smears"] == {"train": 4, "validation": 2, "test": 3}  # no picture twice
    *_, last, _ = data_summary(facts).splitlines()
    assert last.split() == ["pictures", "4", "4", "2", "2", "3", "3"]
    assert any("annotation is incomplete" in warning for warning in facts["warnings"])


def test_a_set_without_boxes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lisc has no boxes of cells.*choose one of synthetic"):
        load_pictures("lisc", PictureSettings(8, 8), Places(None, tmp_path), draw=Draw(0))


def disc_picture(row: float, column: float, radius: float) -> np.ndarray:
    down, right = np.mgrid[: SIZE[1], : SIZE[0]]
    inside = np.hypot(down - row, right - column) <= radius
    return np.where(inside[..., None], 20, 220).astype(np.uint8).repeat(3, axis=-1)


@pytest.mark.parametrize("seed", range(4))
def test_cells_move_with_their_picture(seed: int) -> None:
    """The box is that of the dark disc after the same map, cut at the frame as it is."""
    random = np.random.default_rng(seed)
    row, column, radius = random.uniform(20, 100), random.uniform(20, 140), 15.0
    images = jnp.asarray(disc_picture(row, column, radius)[None])
    cells = jnp.array([[[row, column, radius, radius, 1], [0, 0, 0, 0, NO_CELL]]], jnp.float32)
    augment = Augmentation(
        mirror=True, flip=True, rotation=180.0, scale=0.2, shear=0.2, crop_margin=30
    )
    moved, found = augment.with_cells(images, cells, jax.random.key(seed))
    dark = np.asarray(moved[0, ..., 0]) < 120
    middle_row, middle_column, height, width, kind = np.asarray(found[0, 0])
    assert found[0, 1, 4] == NO_CELL
    if kind == NO_CELL:
        assert dark.sum() < 0.4 * np.pi * radius**2
        return
    rows, columns = np.nonzero(dark)
    assert middle_row == pytest.approx((rows.min() + rows.max()) / 2, abs=1.5)
    assert middle_column == pytest.approx((columns.min() + columns.max()) / 2, abs=1.5)
    assert 2 * height == pytest.approx(rows.max() - rows.min() + 1, abs=3)
    assert 2 * width == pytest.approx(columns.max() - columns.min() + 1, abs=3)


def test_what_is_hardly_in_view_any_more_is_dropped() -> None:
    cells = jnp.array([[[5, 50, 10, 10, 0], [60, 50, 10, 10, 0]]], jnp.float32)
    for shift, kinds in ((0.0, [0, 0]), (8.0, [0, 0]), (13.0, [-1, 0]), (80.0, [-1, -1])):
        moved = geometry.move_cells(cells, jnp.eye(2)[None], jnp.array([[shift, 0.0]]), (120, 160))
        assert moved[0, :, 4].tolist() == kinds, shift


@pytest.mark.parametrize(
    ("augment", "axes"),
    [
        (Augmentation(mirror=True), [(), (1,)]),
        (Augmentation(flip=True), [(), (0,)]),
        (Augmentation(mirror=True, flip=True), [(), (1,), (0,), (0, 1)]),
    ],
)
def test_pictures_are_mirrored_only_as_asked(
    augment: Augmentation, axes: list[tuple[int, ...]]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    cells = jnp.full((64, 1, 5), NO_CELL, jnp.float32)
    moved, _ = augment.with_cells(
        jnp.asarray(picture[None].repeat(64, 0)), cells, jax.random.key(0)
    )
    expected = {np.flip(picture, axis).tobytes() for axis in axes}
    assert {np.asarray(one).round().astype(np.uint8).tobytes() for one in moved} == expected


def test_a_shift_mirrors_nothing() -> None:
    picture = disc_picture(30, 40, 10)
    images, cells = jnp.asarray(picture[None].repeat(64, 0)), jnp.full((64, 1, 5), float(NO_CELL))
    moved, _ = Augmentation(crop_margin=2).with_cells(images, cells, jax.random.key(0))
    dark = np.asarray(moved)[..., 0] < 120
    places = [np.argwhere(one).mean(axis=0) for one in dark]
    np.testing.assert_allclose(places, np.broadcast_to([30, 40], (64, 2)), atol=2.5)


def test_without_augmentation_nothing_changes() -> None:
    images = jnp.asarray(disc_picture(50, 60, 10)[None])
    cells = jnp.array([[[50, 60, 10, 10, 0]]], jnp.float32)
    same, where = Augmentation().with_cells(images, cells, jax.random.key(0))
    np.testing.assert_array_equal(same, images)
    np.testing.assert_array_equal(where, cells)
