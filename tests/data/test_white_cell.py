"""The window holds the white cell of drawn smears and real ones, however they lie."""

import io
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.fake_dataset import encode
from wbc_jax.data.preprocessing import Settings, preprocess
from wbc_jax.data.white_cell import (
    crop_white_cell,
    find_nucleus,
    white_cell_window,
)
from wbc_jax.datasets.synthetic_smears import copies, drawing, stains
from wbc_jax.datasets.synthetic_smears.cells import WHITE_RADIUS
from wbc_jax.errors import UserError

KINDS = tuple(WHITE_RADIUS)
NUM_DRAWN = 24  # of each kind
SIDE = 0.6  # of a window, as a share of the height
SLIDE = (214, 212, 206)
RED_CELL = (196, 158, 150)
NUCLEUS = (104, 66, 168)


@cache
def drawn(kind: str, number: int) -> copies.Copy:
    """An augmented copy of a smear that no data set holds."""
    rng = np.random.default_rng([99, KINDS.index(kind), number])
    return copies.make_copy(drawing.draw_smear(rng, kind), rng)


def painted(*discs: tuple[int, int, int, tuple[int, int, int]]) -> np.ndarray:
    """A slide of 240 x 320 pixels with discs: row, column, radius, colour."""
    image = np.full((240, 320, 3), SLIDE, np.uint8)
    row, column = np.ogrid[:240, :320]
    for y, x, radius, colour in discs:
        image[(row - y) ** 2 + (column - x) ** 2 <= radius**2] = colour
    return image


def centroid(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0)


RED_CELLS = ((60, 60, 25, RED_CELL), (180, 250, 25, RED_CELL), (60, 220, 25, RED_CELL))


@pytest.mark.parametrize("kind", KINDS)
def test_the_nucleus_and_the_window_are_the_white_cells(kind: str) -> None:
    hits, shares = [], []
    for number in range(NUM_DRAWN):
        copy = drawn(kind, number)
        cell = [one.kind for one in copy.cells].index(kind)
        own = copy.instances == cell + 1
        nucleus = find_nucleus(copy.picture)
        hits.append(nucleus is not None and own[nucleus].mean() > 0.9)
        top, left, side = white_cell_window(Image.fromarray(copy.picture), SIDE)
        inside = own[max(top, 0) : top + side, max(left, 0) : left + side]
        shares.append(inside.sum() / own.sum())
    assert np.mean(hits) >= 0.95
    assert np.median(shares) == 1.0
    assert np.mean(np.array(shares) > 0.9) >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_a_turned_or_mirrored_image_has_its_nucleus_turned_or_mirrored(kind: str) -> None:
    picture = drawn(kind, 0).picture
    nucleus = find_nucleus(picture)
    assert nucleus is not None
    for change in (np.flipud, np.fliplr, lambda image: np.rot90(image, 2)):
        changed = find_nucleus(np.ascontiguousarray(change(picture)))
        assert changed is not None
        assert np.mean(changed != change(nucleus)) < 0.001
    # The grid depends on the height, so a quarter turn is compared by its centre.
    upright = find_nucleus(np.ascontiguousarray(np.rot90(picture)))
    assert upright is not None
    np.testing.assert_allclose(centroid(upright), centroid(np.rot90(nucleus)), atol=5)


def test_the_same_cell_at_twice_the_size_is_found_in_the_same_place() -> None:
    picture = drawn("neutrophil", 1).picture
    nucleus = find_nucleus(picture)
    large = find_nucleus(picture.repeat(2, axis=0).repeat(2, axis=1))
    assert nucleus is not None
    assert large is not None
    assert large.shape == (480, 640)
    np.testing.assert_allclose(centroid(large) / 2, centroid(nucleus), atol=1)


def test_all_lobes_are_one_nucleus_and_a_platelet_is_none() -> None:
    lobes = ((120, 140, 12, NUCLEUS), (112, 168, 12, NUCLEUS), (138, 158, 10, NUCLEUS))
    platelet = (40, 290, 6, NUCLEUS)
    nucleus = find_nucleus(painted(*RED_CELLS, *lobes, platelet))
    assert nucleus is not None
    for row, column, *_ in lobes:
        assert nucleus[row, column]
    assert not nucleus[40, 290]
    assert find_nucleus(painted(*RED_CELLS, platelet)) is None


def test_the_larger_of_two_cells_is_taken() -> None:
    nucleus = find_nucleus(painted((60, 60, 22, NUCLEUS), (170, 230, 30, NUCLEUS)))
    assert nucleus is not None
    assert nucleus[170, 230]
    assert not nucleus[60, 60]


def test_a_dense_smear_leaves_the_slide_to_be_seen_between_cells() -> None:
    image = painted((130, 100, 30, NUCLEUS))
    image[:, 160:] = RED_CELL
    nucleus = find_nucleus(image)
    assert nucleus is not None
    np.testing.assert_allclose(centroid(nucleus), (130, 100), atol=1)


@pytest.mark.parametrize("light", [(1.0, 1.0, 1.0), (1.15, 1.0, 0.8), (0.8, 0.9, 1.15), (0.6,) * 3])
def test_the_colour_of_the_lamp_does_not_matter(light: tuple[float, float, float]) -> None:
    image = painted(*RED_CELLS, (120, 150, 25, NUCLEUS))
    nucleus = find_nucleus(np.clip(image * light, 0, 255).astype(np.uint8))
    assert nucleus is not None
    np.testing.assert_allclose(centroid(nucleus), (120, 150), atol=1)


def test_without_a_white_cell_the_window_lies_in_the_middle() -> None:
    image = painted(*RED_CELLS)
    assert find_nucleus(image) is None
    side = round(SIDE * 240)
    assert white_cell_window(Image.fromarray(image), SIDE) == (
        120 - side // 2,
        160 - side // 2,
        side,
    )


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_black_fill_is_no_nucleus(quality: int) -> None:
    image = Image.fromarray(painted(*RED_CELLS)).rotate(17, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    assert find_nucleus(np.asarray(Image.open(buffer))) is None


def test_fill_that_is_not_quite_black_is_no_nucleus_either() -> None:
    image = painted(*RED_CELLS, (180, 100, 20, NUCLEUS))
    image[:, 200:] = (0, 0, 9)
    nucleus = find_nucleus(image)
    assert nucleus is not None
    np.testing.assert_allclose(centroid(nucleus), (180, 100), atol=1)
    image[:, 60:] = (0, 0, 9)
    assert find_nucleus(image) is None


def test_a_smear_in_a_corner_of_much_fill_is_measured_against_its_own_slide() -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[:70, :90] = painted(*RED_CELLS, (30, 45, 20, NUCLEUS))[:70, :90]
    nucleus = find_nucleus(image)
    assert nucleus is not None
    np.testing.assert_allclose(centroid(nucleus), (30, 45), atol=2)


def test_a_pale_smudge_is_no_nucleus() -> None:
    assert find_nucleus(painted(*RED_CELLS, (120, 150, 25, (196, 190, 206)))) is None


def test_no_white_cell_is_seen_among_drawn_red_ones() -> None:
    rng = np.random.default_rng(3)
    stain = stains.vary_stain(rng)
    density = np.zeros((240, 320, 3), np.float32)
    density[40:120, 60:200] = stain["red_cell"]
    density[80:160, 100:240] += stain["red_cell"]
    assert find_nucleus(stains.photograph(density, stains.vary_light(rng), rng)) is None


def test_beyond_the_image_the_window_is_black() -> None:
    image = painted((8, 12, 20, NUCLEUS))
    window = np.asarray(crop_white_cell(Image.fromarray(image), SIDE))
    top, left, side = white_cell_window(Image.fromarray(image), SIDE)
    assert window.shape == (side, side, 3)
    assert top < 0
    assert left < 0
    assert not window[:-top].any()
    assert not window[:, :-left].any()
    np.testing.assert_array_equal(window[-top:, -left:], image[: side + top, : side + left])


@pytest.mark.parametrize(
    "size",
    [(1, 1), (1, 7), (7, 1), (2, 3), (119, 121), (241, 239), (1, 2000), (3000, 4), (1500, 1100)],
)
@pytest.mark.parametrize("colour", [NUCLEUS, (0, 0, 0), (255, 255, 255)])
def test_an_image_of_any_size_has_a_window(
    size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    image = Image.new("RGB", size, colour)
    nucleus = find_nucleus(np.asarray(image))
    assert nucleus is None
    window = crop_white_cell(image, SIDE)
    assert window.width == window.height == max(1, round(SIDE * size[1]))


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "1"])
@pytest.mark.parametrize("gray", [False, True])
def test_preprocessing_takes_the_view_of_images_of_any_mode(mode: str, gray: bool) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(encode(0, width=320, height=240))).convert(mode).save(buffer, "TIFF")
    settings = Settings(first_size=300, image_size=50, gray=gray, view="white_cell")
    assert preprocess(buffer.getvalue(), settings).shape == (50, 50, 1 if gray else 3)


def test_the_window_is_resized_once_and_the_whole_is_left_as_it_was() -> None:
    picture = Image.fromarray(drawn("monocyte", 2).picture)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    for first_size, side in ((0, SIDE), (300, SIDE), (300, 0.4)):
        settings = Settings(first_size, 50, False, "white_cell", window_side=side)
        expected = crop_white_cell(picture, side).resize((50, 50), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(preprocess(buffer.getvalue(), settings), expected)
    whole = Settings(300, 50, False)
    assert whole.view == "whole"
    twice = picture.resize((300, 300), Image.Resampling.BICUBIC).resize(
        (50, 50), Image.Resampling.BICUBIC
    )
    np.testing.assert_array_equal(preprocess(buffer.getvalue(), whole), np.asarray(twice))


def test_a_view_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.view='nucleus' must be one of whole, white_cell"):
        Settings(first_size=300, image_size=50, gray=True, view="nucleus")


def test_windows_of_real_smears_lie_on_the_boxes_that_people_drew(real_data: Path) -> None:
    files = sorted(real_data.glob("bccd/**/BloodImage_*.xml"))
    if not files:
        pytest.skip("the boxes of BCCD are not present")
    hits, shares = [], []
    for file in files[:: max(1, len(files) // 150)]:
        boxes = [
            [int(thing.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")]
            for thing in ET.parse(file).getroot().iter("object")
            if thing.findtext("name") == "WBC"
        ]
        (photograph,) = (real_data / "bccd").rglob(f"{file.stem}.jpg")
        if not boxes:
            continue
        top, left, side = white_cell_window(Image.open(photograph).convert("RGB"), SIDE)
        x, y = left + side / 2, top + side / 2
        hit = [box for box in boxes if box[0] <= x <= box[2] and box[1] <= y <= box[3]]
        hits.append(bool(hit))
        for x0, y0, x1, y1 in hit[:1]:
            width = min(x1, left + side) - max(x0, left)
            height = min(y1, top + side) - max(y0, top)
            shares.append(width * height / ((x1 - x0) * (y1 - y0)))
    assert len(hits) > 100
    assert np.mean(hits) >= 0.99
    assert np.percentile(shares, 5) >= 0.9
