"""What is compared of a picture: its content, not the single colour that it ends in."""

import io
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from tests.leakage.smear_files import draw
from wbc_jax.leakage.comparison import View, look_at, match_agreement, turned_agreement
from wbc_jax.leakage.perceptual_hash import best_orientation, orient, perceptual_hashes
from wbc_jax.leakage.twins import LEAST_CORRELATION

Make = Callable[[int, int], np.ndarray]
Look = Callable[[np.ndarray], View]

SIDE = 120
DISC = np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2)) <= 45


def cell(number: int) -> np.ndarray:
    """Returns the white cell of a drawn smear with its surroundings."""
    smear = draw(number)
    half = SIDE // 2
    row, column = (
        int(np.clip(place, half, length - half))
        for place, length in zip(smear.white_center, smear.picture.shape[:2], strict=True)
    )
    return smear.picture[row - half : row + half, column - half : column + half]


def cut_out(number: int, colour: int) -> np.ndarray:
    """Returns the cell alone in a disc, on a colour."""
    return np.where(DISC[..., None], cell(number), np.uint8(colour))


def padded(number: int, colour: int) -> np.ndarray:
    """Returns a part of the cell's picture in the upper left of a frame of one colour."""
    picture = np.full((SIDE, SIDE, 3), colour, np.uint8)
    picture[:70, :75] = cell(number)[25:95, 20:95]
    return picture


def likeness(first: np.ndarray, second: np.ndarray, look: Look = look_at) -> float:
    """Returns the correlation in the orientation in which the hashes are nearest."""
    orientation = best_orientation(perceptual_hashes(first), perceptual_hashes(second))
    return turned_agreement(look(first), look(second), orientation)


def look_at_all(picture: np.ndarray) -> View:
    """Returns the picture with its border."""
    return View(look_at(picture).gray, np.ones(picture.shape[:2], bool))


def recompressed(picture: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("colour", [255, 0])
@pytest.mark.parametrize("make", [cut_out, padded])
def test_what_cells_are_put_on_makes_them_no_copies(make: Make, colour: int) -> None:
    pairs = list(combinations([make(number, colour) for number in range(5)], 2))
    assert max(likeness(*pair, look_at_all) for pair in pairs) > LEAST_CORRELATION
    assert max(likeness(*pair) for pair in pairs) < LEAST_CORRELATION - 0.05


@pytest.mark.parametrize("colour", [255, 60, 0])
@pytest.mark.parametrize("make", [cut_out, padded])
def test_copies_of_what_was_put_on_a_colour_are_copies(make: Make, colour: int) -> None:
    for number in range(3):
        picture = make(number, colour)
        assert likeness(picture, orient(recompressed(picture), 5)) > 0.97


def test_a_turned_copy_ends_where_its_white_fill_begins() -> None:
    picture = draw(0).picture
    image = Image.fromarray(picture)
    angle = 25.0
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    centre = np.array([159.5, 119.5])
    matrix = np.column_stack([turn, centre - turn @ centre])
    for colour in ("white", "black"):
        turned = np.asarray(image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=colour))
        view = look_at(turned)
        assert 0.6 < view.content.mean() < 0.9
        assert match_agreement(look_at(picture), view, matrix) > 0.97
        on_paper = np.pad(turned, ((20, 20), (20, 20), (0, 0)), constant_values=255)
        assert abs(look_at(on_paper).content.sum() - view.content.sum()) < 30


@pytest.mark.parametrize("place", [np.s_[:90, :80], np.s_[30:, :60], np.s_[40:80, 40:80]])
def test_a_border_of_any_colour_is_none_of_the_content(place: tuple[slice, slice]) -> None:
    colours = np.array([90, 120, 200]) + np.random.default_rng(0).integers(-1, 2, (SIDE, SIDE, 3))
    picture = colours.astype(np.uint8)
    picture[place] = cell(0)[place]
    expected = np.zeros((SIDE, SIDE), bool)
    expected[place] = True
    assert (look_at(picture).content == expected).mean() > 0.99


def test_a_quarter_of_the_frame_in_one_colour_is_no_border() -> None:
    picture = cell(0).copy()
    picture[:20] = 128
    assert look_at(picture).content.all()


def test_a_bright_slide_is_no_border() -> None:
    """Empty slide of real photographs is at 200 to 240, and is content."""
    picture = draw(1).picture
    bright = np.clip(picture.astype(float) * 240 / picture.max(), 0, 255).astype(np.uint8)
    assert look_at(bright).content.all()


def test_an_overexposed_slide_leaves_enough_to_be_found() -> None:
    picture = draw(1).picture.astype(float)
    slide = np.percentile(picture.min(2), 60)
    over = np.clip(picture * 255 / slide, 0, 255).astype(np.uint8)
    assert 0.1 < look_at(over).content.mean() < 0.9
    assert likeness(over, orient(recompressed(over), 3)) > 0.95


def test_a_dark_picture_keeps_its_content() -> None:
    dark = (draw(2).picture.astype(int) * 22 // 255).astype(np.uint8)
    assert look_at(dark).content.mean() > 0.95
    assert likeness(dark, orient(dark, 1)) > 0.99
    rim = np.pad(dark, ((30, 30), (30, 30), (0, 0)))
    assert look_at(rim).content[30:-30, 30:-30].mean() > 0.95
    assert not look_at(rim).content[:29].any()


@pytest.mark.parametrize(("common", "agrees"), [(7, False), (24, True)])
def test_a_narrow_strip_in_common_makes_no_copies(common: int, agrees: bool) -> None:
    """Of 160 columns; what is the same there is the same to the byte."""
    picture = draw(0).picture
    left, right = picture[:, :160], picture[:, 160 - common : 320 - common]
    shift = np.array([[1.0, 0.0, common - 160.0], [0.0, 1.0, 0.0]])
    assert (match_agreement(look_at(left), look_at(right), shift) > LEAST_CORRELATION) == agrees


@pytest.mark.parametrize("value", [0, 20, 252, 255])
def test_of_what_is_nothing_but_border_all_is_looked_at(value: int) -> None:
    view = look_at(np.full((20, 30, 3), value, np.uint8))
    assert view.content.all()
    assert turned_agreement(view, view, 0) == 0.0
