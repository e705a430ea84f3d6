"""The drawings: each kind's morphology, the copies' geometry, and how hard they are to learn."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, spatial
from sklearn.linear_model import LogisticRegression

from wbc_jax.datasets.catalog import CLASSES
from wbc_jax.datasets.synthetic_smears import cells, copies, drawing, shapes, stains
from wbc_jax.datasets.synthetic_smears import synthetic_smears_dataset_builder as smears

EACH = 16  # white cells drawn per kind


@pytest.fixture(scope="module")
def patches() -> dict[str, list[cells.Patch]]:
    # The average stain: morphology is asked for, not variation of colour.
    stain = {
        name: -np.log(np.array(light, np.float32)) for name, light in stains.TRANSMITTANCE.items()
    }
    return {
        kind: [
            cells.draw_white_cell(np.random.default_rng([7, i]), kind, 1.0, stain)
            for i in range(EACH)
        ]
        for kind in CLASSES
    }


def _lobes(patch: cells.Patch) -> int:
    """Parts of the nucleus left when strands thinner than 9 pixels are worn away."""
    worn = ndimage.distance_transform_edt(patch.nucleus > 0.5) > 4.5
    return ndimage.label(worn)[1]


def _solidity(patch: cells.Patch) -> float:
    inside = patch.nucleus > 0.5
    return inside.sum() / spatial.ConvexHull(np.argwhere(inside)).volume


def _nuclear_share(patch: cells.Patch) -> float:
    return float(patch.nucleus.sum() / patch.coverage.sum())


def _cytoplasm(patch: cells.Patch) -> np.ndarray:
    return patch.density[(patch.coverage > 0.9) & (patch.nucleus < 0.02)].mean(0)


def test_eosinophil_nucleus_has_two_lobes_on_one_strand(patches):
    lobes = [_lobes(patch) for patch in patches["eosinophil"]]
    assert lobes.count(2) >= 0.8 * EACH
    connected = [ndimage.label(patch.nucleus > 0.25)[1] == 1 for patch in patches["eosinophil"]]
    assert sum(connected) >= 0.8 * EACH


def test_neutrophil_nucleus_has_three_to_five_lobes(patches):
    lobes = np.array([_lobes(patch) for patch in patches["neutrophil"]])
    assert lobes.max() <= 5
    assert (lobes >= 3).mean() >= 0.7
    assert len(set(lobes.tolist())) > 1


def test_lymphocyte_nucleus_is_round_and_nearly_fills_the_cell(patches):
    for patch in patches["lymphocyte"]:
        assert _lobes(patch) == 1
        assert _solidity(patch) > 0.93
        assert _nuclear_share(patch) > 0.58
    others = max(_nuclear_share(p) for k in CLASSES if k != "lymphocyte" for p in patches[k])
    assert np.mean([_nuclear_share(p) for p in patches["lymphocyte"]]) > others


def test_monocyte_is_the_largest_and_its_nucleus_one_kidney(patches):
    area = {k: np.mean([patch.coverage.sum() for patch in patches[k]]) for k in CLASSES}
    assert max(area, key=area.get) == "monocyte"
    assert all(_lobes(patch) <= 2 for patch in patches["monocyte"])
    kidney, ball = ([_solidity(p) for p in patches[k]] for k in ("monocyte", "lymphocyte"))
    assert np.mean(kidney) < np.mean(ball) - 0.03


def test_cytoplasm_colours(patches):
    red, blue = 0, 2  # channels of density: what is absorbed, so a red thing has little in red
    mean = {k: np.mean([_cytoplasm(patch) for patch in patches[k]], axis=0) for k in CLASSES}
    assert mean["eosinophil"][red] < 0.5 * mean["eosinophil"][blue]  # orange-red
    assert mean["lymphocyte"][blue] < 0.5 * mean["lymphocyte"][red]  # blue
    assert mean["monocyte"][blue] < mean["monocyte"][red]  # grey-blue, and weaker
    assert mean["monocyte"].sum() < mean["lymphocyte"].sum()
    assert mean["neutrophil"].sum() < min(v.sum() for k, v in mean.items() if k != "neutrophil")


def test_nucleus_stays_within_its_cell(patches):
    for patch in (p for kind in CLASSES for p in patches[kind]):
        assert (patch.nucleus <= patch.coverage + 1e-6).all()
        assert not patch.coverage[[0, -1]].any()  # and the window is wide enough for the cell
        assert not patch.coverage[:, [0, -1]].any()


def test_red_cells_are_paler_in_the_middle():
    layers, inside = cells.red_cells(np.random.default_rng(0), np.full(64, 24.0), shade=1.0)
    radius = shapes.grid(layers.shape[1] // 2).radius
    middle, ring = (radius < 5), (radius > 15) & (radius < 19)
    assert (layers[:, middle].mean(1) < 0.9 * layers[:, ring].mean(1)).mean() > 0.8
    assert (inside >= 0).all()
    assert (inside <= 1).all()


def test_ellipse_and_union_are_signed_distances():
    window = shapes.grid(20)
    left = shapes.ellipse(window, (0.0, -6.0), (5.0, 5.0), 0.3)
    right = shapes.ellipse(window, (0.0, 6.0), (5.0, 5.0), 0.3)
    np.testing.assert_allclose(left[20, 14:], np.arange(27) - 5.0, atol=1e-4)
    both = shapes.union([left, right], 0.5)
    np.testing.assert_allclose(both, np.minimum(left, right), atol=0.5 * np.log(2) + 1e-4)


def test_smear_depends_on_its_generator_alone():
    one, same, other = (
        drawing.draw_smear(np.random.default_rng(seed), "monocyte") for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.picture, same.picture)
    np.testing.assert_array_equal(one.instances, same.instances)
    assert (one.picture != other.picture).mean() > 0.5


def test_white_cell_is_on_top_and_in_view():
    for seed, kind in enumerate(CLASSES * 3):
        smear = drawing.draw_smear(np.random.default_rng(seed), kind)
        mask = smear.instances == smear.white + 1
        assert smear.kinds[smear.white] == kind
        row, column = np.argwhere(mask).mean(0)
        assert np.hypot(row - smear.white_center[0], column - smear.white_center[1]) < 5
        assert ndimage.label(mask)[1] == 1  # nothing lies over it


def test_copy_carries_the_cells_where_the_affine_map_says():
    smear = drawing.draw_smear(np.random.default_rng(1), "lymphocyte")
    row, column = np.argwhere(smear.instances == smear.white + 1).mean(0)
    compared = 0
    for seed in range(12):
        affine = copies.draw_affine(np.random.default_rng(seed), smear.white_center)
        copy = copies.make_copy(smear, np.random.default_rng(seed))
        index = [cell.kind for cell in copy.cells].index("lymphocyte")
        top, left, bottom, right = copy.cells[index].box
        if min(top, left) > 0 and bottom < 240 and right < 320:
            x, y = affine @ [column + 0.5, row + 0.5, 1.0] - 0.5
            centroid = np.argwhere(copy.instances == index + 1).mean(0)
            np.testing.assert_allclose(centroid, [y, x], atol=0.6)
            compared += 1
    assert compared >= 8


def test_affine_maps_stay_within_the_stated_limits():
    flips = set()
    for seed in range(300):
        affine = copies.draw_affine(np.random.default_rng(seed), (20, 300))
        x, y = affine @ [300.5, 20.5, 1.0]
        assert 0 <= x < 320
        assert 0 <= y < 240
        moved = affine @ [160.0, 120.0, 1.0] - [160.0, 120.0]
        assert (np.abs(moved) <= [32.0, 24.0]).all()
        # The first column is the x axis: flipped or not, then turned.
        down, right = affine[1, 0], affine[0, 0]
        turn = np.rad2deg(np.arctan(down / right))
        assert abs(turn) <= 20.0 + 1e-9
        assert np.hypot(down, right) == pytest.approx(1.0)
        assert np.cos(0.2) - 1e-9 <= abs(np.linalg.det(affine[:, :2])) <= 1.0 + 1e-9
        flips.add((right > 0, np.linalg.det(affine[:, :2]) > 0))
    assert len(flips) == 4


def test_measure_drops_slivers_and_seeds_a_crescent_in_itself():
    owner = np.zeros((40, 40), np.uint8)
    rows, columns = np.mgrid[:40, :40]
    owner[np.hypot(rows - 20, columns - 20) < 14] = 2
    owner[np.hypot(rows - 20, columns - 25) < 13] = 3
    owner[0, : copies.MIN_PIXELS - 1] = 1
    instances, found = copies.measure(owner, ("platelet", "red_cell", "neutrophil", "red_cell"))
    assert [cell.kind for cell in found] == ["red_cell", "neutrophil"]
    np.testing.assert_array_equal(instances, np.where(owner > 1, owner - 1, 0))
    centroid = np.argwhere(owner == 2).mean(0).round().astype(int)
    assert owner[tuple(centroid)] == 3  # else this is no test of a crescent
    assert instances[found[0].center] == 1
    assert found[1].box == (8, 13, 33, 38)


# What learns it, on fewer smears than `default` has; the card gives that config's figures.


def _draw(split: str, count: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    for number in range(count):
        for _, example in smears.draw_examples(split, number, num_copies=2):
            picture = Image.open(io.BytesIO(example["image"]))
            gray = picture.resize((300, 300)).resize((50, 50)).convert("L")
            numbers = np.asarray(Image.open(io.BytesIO(example["instances"])))
            kinds = [cell["kind"] for cell in example["cells"]]
            mask = numbers == 1 + kinds.index(example["label"])
            whole = np.asarray(picture.convert("L"), np.float32)
            slide = np.median(whole[(numbers == 0) & (whole > 60)])
            quantiles = np.quantile(whole[mask] / slide, [0.05, 0.25, 0.5, 0.75, 0.95])
            yield np.asarray(gray, np.float32).ravel(), quantiles, CLASSES.index(example["label"])


@pytest.fixture(scope="module")
def learning() -> dict[str, tuple[np.ndarray, ...]]:
    return {
        split: tuple(np.stack(column) for column in zip(*_draw(split, count), strict=True))
        for split, count in (("train", 100), ("test", 40))
    }


def _linear_accuracy(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> float:
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    model = LogisticRegression(C=0.01 if train.shape[1] > 100 else 10.0, max_iter=100)
    model.fit((train - mean) / deviation, train_labels)
    return float(model.score((test - mean) / deviation, test_labels))


def test_a_linear_model_of_the_pixels_does_not_solve_it(learning):
    (pixels, _, labels), (test_pixels, _, test_labels) = learning["train"], learning["test"]
    assert _linear_accuracy(pixels, labels, test_pixels, test_labels) < 0.70


def test_gray_levels_of_the_white_cell_do_solve_it(learning):
    """The class is in the gray picture: whoever finds the white cell can name it."""
    (_, levels, labels), (_, test_levels, test_labels) = learning["train"], learning["test"]
    assert _linear_accuracy(levels, labels, test_levels, test_labels) > 0.85


def test_mean_brightness_does_not_tell_the_class(learning):
    pixels, _, labels = learning["train"]
    means = [pixels[labels == label].mean(1) for label in range(4)]
    spread = np.mean([mean.std() for mean in means])
    assert np.ptp([mean.mean() for mean in means]) < spread
