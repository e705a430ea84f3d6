"""Key points and affine maps, against drawn copies whose maps are known."""

import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from wbc_jax.datasets.synthetic_smears import copies, drawing
from wbc_jax.leakage import alignment
from wbc_jax.leakage.keypoints import Gallery, Keypoints, detect, match

KINDS = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
CORNERS = np.array([[60, 50, 1], [260, 50, 1], [60, 190, 1], [260, 190, 1]], float).T


@dataclass(frozen=True)
class Made:
    """A drawn copy, its smear's index, and the true map."""

    smear: int
    picture: np.ndarray
    matrix: np.ndarray

    @property
    def mirrored(self) -> bool:
        return bool(np.linalg.det(self.matrix[:, :2]) < 0)


def make_copy(smear: drawing.Smear, index: int, seed: int) -> Made:
    affine = copies.draw_affine(np.random.default_rng(seed), smear.white_center)
    # There, pixel centres lie at halves, here at whole numbers.
    affine[:, 2] += affine[:, :2] @ [0.5, 0.5] - 0.5
    picture = copies.make_copy(smear, np.random.default_rng(seed)).picture
    encoded = io.BytesIO(copies.to_jpeg(picture))
    return Made(index, np.array(Image.open(encoded).convert("RGB")), affine)


@pytest.fixture(scope="module")
def smears() -> list[drawing.Smear]:
    return [drawing.draw_smear(np.random.default_rng([5, i]), kind) for i, kind in enumerate(KINDS)]


@pytest.fixture(scope="module")
def made(smears: list[drawing.Smear]) -> list[Made]:
    return [make_copy(smears[i % 4], i % 4, 100 + i) for i in range(8)]


@pytest.fixture(scope="module")
def gallery(smears: list[drawing.Smear]) -> Gallery:
    points = [detect(s.picture, mirrored=m) for m in (False, True) for s in smears]
    return Gallery(points, groups=[0, 1, 2, 3] * 2)


def distance(found: np.ndarray, true: np.ndarray) -> float:
    """Largest distance of a place under both maps, pixels."""
    return float(np.linalg.norm((found - true) @ CORNERS, axis=0).max())


def test_the_copies_come_in_both_hands(made: list[Made]) -> None:
    assert {copy.mirrored for copy in made} == {False, True}


def test_the_true_map_is_found_whether_mirrored_or_not(
    smears: list[drawing.Smear], made: list[Made]
) -> None:
    for copy in made:
        points = detect(smears[copy.smear].picture, mirrored=copy.mirrored)
        found = match(points, detect(copy.picture))
        assert found.inliers >= 20
        assert found.matrix is not None
        assert distance(found.matrix, copy.matrix) < 1.0


def test_refinement_brings_the_map_to_a_tenth_of_a_pixel(
    smears: list[drawing.Smear], made: list[Made]
) -> None:
    for copy in made:
        original = smears[copy.smear].picture
        found = match(detect(original, mirrored=copy.mirrored), detect(copy.picture))
        assert found.matrix is not None
        refined = alignment.refine(original, copy.picture, found.matrix)
        assert distance(refined, copy.matrix) < 0.15
        assert alignment.agreement(original, copy.picture, refined) > 0.97
        assert alignment.frame_agreement(original, copy.picture, refined) > 0.95


def test_the_gallery_finds_each_copys_smear_well_ahead(gallery: Gallery, made: list[Made]) -> None:
    for copy in made:
        found = gallery.best_two(detect(copy.picture))
        best, best_match = next(iter(found.matches.items()))
        assert best == copy.smear + 4 * copy.mirrored
        assert best_match.inliers >= max(10, 2 * found.runner_up)
        assert found.rival is None or found.rival % 4 != copy.smear


def test_what_is_left_out_changes_neither_best_nor_runner_up(
    gallery: Gallery, made: list[Made]
) -> None:
    for copy in made:
        points = detect(copy.picture)
        every = gallery.all_matches(points, at_least=1)
        strangers = [m.inliers for i, m in every.items() if i % 4 != copy.smear]
        found = gallery.best_two(points)
        assert found.runner_up == max(strangers, default=0)
        best = max(every.values(), key=lambda found: found.inliers)
        assert next(iter(found.matches.values())).inliers == best.inliers


def test_a_gallery_of_one_is_a_match(smears: list[drawing.Smear], made: list[Made]) -> None:
    first, second = detect(smears[0].picture), detect(made[0].picture)
    alone = match(first, second)
    among = Gallery([first, detect(smears[1].picture)], [0, 1]).all_matches(second, at_least=4)
    assert among[0].inliers == alone.inliers
    np.testing.assert_array_equal(among[0].matrix, alone.matrix)


def test_everything_is_the_same_again(smears: list[drawing.Smear], made: list[Made]) -> None:
    runs = [match(detect(smears[0].picture), detect(made[0].picture)) for _ in range(2)]
    assert runs[0].inliers == runs[1].inliers
    np.testing.assert_array_equal(runs[0].matrix, runs[1].matrix)


def test_points_of_the_mirror_image_are_the_pictures_own(smears: list[drawing.Smear]) -> None:
    picture = smears[0].picture
    mirror = np.ascontiguousarray(picture[:, ::-1])
    ours, theirs = detect(picture, mirrored=True), detect(mirror)
    np.testing.assert_array_equal(ours.descriptors, theirs.descriptors)
    np.testing.assert_allclose(ours.points[:, 0], 319 - theirs.points[:, 0], atol=1e-4)
    found = match(ours, detect(mirror))
    assert found.matrix is not None
    np.testing.assert_allclose(found.matrix, [[-1, 0, 319], [0, 1, 0]], atol=1e-3)


def test_points_of_an_enlarged_picture_lie_where_they_did(smears: list[drawing.Smear]) -> None:
    picture = smears[0].picture
    plain, enlarged = detect(picture), detect(picture, enlarge=2, contrast=0.005)
    assert len(enlarged) > len(plain)
    found = match(plain, enlarged)
    assert found.matrix is not None
    assert distance(found.matrix, np.eye(2, 3)) < 0.2


def test_pictures_without_key_points_match_nothing(smears: list[drawing.Smear]) -> None:
    empty = detect(np.full((240, 320, 3), 200, np.uint8))
    assert len(empty) == 0
    for first, second in ((empty, detect(smears[0].picture)), (detect(smears[0].picture), empty)):
        found = match(first, second)
        assert (found.inliers, found.matrix) == (0, None)


def test_many_points_on_one_are_no_match() -> None:
    """Twenty points that all look like one would agree on a map that sends all to it."""
    rng = np.random.default_rng(0)
    look = rng.integers(0, 60, (1, 128)).astype(np.float32)
    others = rng.integers(0, 60, (9, 128)).astype(np.float32)
    one = Keypoints(rng.uniform(0, 200, (10, 2)).astype(np.float32), np.concatenate([look, others]))
    many = Keypoints(rng.uniform(0, 200, (20, 2)).astype(np.float32), look.repeat(20, axis=0))
    assert match(one, many).inliers == 0


def test_a_place_with_two_directions_counts_once(smears: list[drawing.Smear]) -> None:
    points = detect(smears[0].picture)
    places = np.unique(points.points.round(1), axis=0)
    assert len(places) < len(points)
    assert match(points, points).inliers <= len(places)


@pytest.mark.parametrize(
    ("shift", "share"), [(0.0, 1.0), (-80.0, 0.0), (40.5, 1.0), (-5.0, 0.5), (-200.0, 0.0)]
)
def test_share_in_view(shift: float, share: float) -> None:
    mask = np.zeros((240, 320), bool)
    mask[100:120, :10] = True
    matrix = np.array([[1.0, 0.0, shift], [0.0, 1.0, 0.0]])
    assert alignment.share_in_view(mask, matrix, (320, 240)) == share


def test_agreement_is_blind_to_contrast_and_sees_another_smear(
    smears: list[drawing.Smear],
) -> None:
    picture = smears[0].picture
    pale = (picture * 0.5 + 60).astype(np.uint8)
    assert alignment.agreement(picture, pale, np.eye(2, 3)) > 0.999
    assert alignment.agreement(picture, smears[1].picture, np.eye(2, 3)) < 0.5
    far = np.array([[1.0, 0.0, 400.0], [0.0, 1.0, 0.0]])
    assert alignment.agreement(picture, picture, far) == 0.0
