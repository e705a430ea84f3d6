"""Marks on a picture, and maps over it."""

import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from wbc_jax.reporting.annotation import Mark, annotate
from wbc_jax.reporting.colours import BLUE, GREEN, ORANGE, VERMILLION
from wbc_jax.reporting.heat import enlarge, overlay

PICTURE = Image.new("RGB", (640, 480), (255, 255, 255))


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), int)


def is_coloured(image: np.ndarray, colour: str) -> np.ndarray:
    return np.abs(image - ImageColor.getrgb(colour)).max(axis=-1) < 70


@pytest.mark.parametrize(("kind", "colour"), [("RBC", ORANGE), ("WBC", BLUE), ("Platelets", GREEN)])
def test_a_mark_stands_around_its_cell(kind: str, colour: str) -> None:
    found = is_coloured(pixels(annotate(PICTURE, [Mark(kind, 200.0, 300.0)])), colour)
    rows, columns = np.nonzero(found)
    assert rows.size > 10
    assert abs(rows.mean() - 200) < 4
    assert abs(columns.mean() - 300) < 4
    assert found[200, 300] == (kind == "WBC")  # a cross; a ring and a triangle leave the cell free


def test_the_frame_of_an_uncertain_cell_is_broken() -> None:
    box = (100, 50, 300, 250)
    shares = []
    for is_uncertain, colour in ((False, BLUE), (True, VERMILLION)):
        mark = Mark("WBC", 150.0, 200.0, box=box, is_uncertain=is_uncertain)
        edge = is_coloured(pixels(annotate(PICTURE, [mark])), colour)[249, 100:300]
        shares.append(edge.mean())
    assert shares[0] > 0.95
    assert 0.3 < shares[1] < 0.8


def test_of_words_that_are_too_long_the_end_is_cut() -> None:
    narrow = Image.new("RGB", (120, 480), (255, 255, 255))
    words = [
        pixels(annotate(narrow, [Mark("WBC", 200.0, 60.0, text=text)]))[200:, :100] < 100
        for text in ("1 lymphocyte 98.0 %", "1 lymphocyte 98.0 % and more")
    ]
    assert words[0].any()
    np.testing.assert_array_equal(*words)


def test_a_small_picture_is_enlarged_by_a_whole_number() -> None:
    marked = pixels(annotate(Image.new("RGB", (320, 240)), []))
    assert marked.shape == (480, 640, 3)
    assert np.asarray(PICTURE).min() == 255  # the picture given stays as it is


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((700, 3), (87 * 700, 87 * 3)),  # 160 times as wide is more than a JPEG holds
        ((66_000, 300), (65_500, 298)),
        ((3, 700), (3, 700)),
        ((16_000, 1), (64_000, 4)),
    ],
)
def test_a_thin_picture_is_enlarged_as_far_as_a_jpeg_goes(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    mark = Mark("WBC", 1.0, 1.0, box=(0, 0, 3, 3), text="1", is_uncertain=True)
    with Image.open(io.BytesIO(annotate(Image.new("RGB", size), [mark]))) as marked:
        assert marked.size == expected


@pytest.mark.parametrize("size", [(50, 40), (160, 120)])
def test_a_map_is_brightest_where_it_is_highest(size: tuple[int, int]) -> None:
    heat = np.zeros((5, 5), np.float32)
    heat[1, 3] = 2.0
    shown = pixels(overlay(Image.new("RGB", size, (128, 128, 128)), heat))
    assert shown.shape == (size[1], size[0], 3)
    row, column = np.unravel_index(shown.sum(axis=-1).argmax(), shown.shape[:2])
    assert row / size[1] == pytest.approx(0.3, abs=0.1)
    assert column / size[0] == pytest.approx(0.7, abs=0.1)
    assert enlarge(heat, size).shape == (size[1], size[0])


def test_an_even_map_has_one_colour() -> None:
    shown = pixels(
        overlay(Image.new("RGB", (20, 20), (128, 128, 128)), np.ones((5, 5), np.float32))
    )
    assert np.ptp(shown.reshape(-1, 3), axis=0).max() < 3
