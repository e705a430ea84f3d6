"""What of a picture is shown to the network."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from wbc_jax.data.preprocessing import Settings, shrink
from wbc_jax.data.white_cell import crop_white_cell
from wbc_jax.datasets.decoding import UndecodableError
from wbc_jax.prediction.windows import Box, boxes, own_box

WINDOW = Settings(first_size=0, image_size=20, gray=False, view="white_cell", window_side=0.5)
WHOLE = Settings(first_size=30, image_size=20, gray=True)


def draw_picture(nucleus: tuple[int, int] = (60, 90)) -> Image.Image:
    """A pink slide of 120x160 pixels with one dark violet nucleus."""
    pixels = np.full((120, 160, 3), (230, 210, 215), np.uint8)
    rows, columns = np.mgrid[:120, :160]
    pixels[np.hypot(rows - nucleus[0], columns - nucleus[1]) < 14] = (90, 60, 160)
    return Image.fromarray(pixels)


def test_a_single_white_cell_is_cut_as_in_training() -> None:
    picture = draw_picture()
    (box,) = boxes(picture, [(66.0, 84.0)], WINDOW)  # the detector's point is a little off
    assert box == own_box(picture, WINDOW)
    trained_on = shrink(crop_white_cell(picture, 0.5), WINDOW)
    np.testing.assert_array_equal(shrink(picture.crop(box), WINDOW), trained_on)


def test_a_cell_elsewhere_than_the_run_would_look_is_cut_where_it_was_found() -> None:
    (box,) = boxes(draw_picture(), [(20.0, 20.0)], WINDOW)
    assert box == Box(left=-10, top=-10, right=50, bottom=50)
    assert box.center == (19.5, 19.5)


@pytest.mark.parametrize("nucleus", [(60, 90), (61, 91), (58, 83)])
@pytest.mark.parametrize("share", [0.5, 61 / 120])
def test_a_window_of_several_is_where_that_of_one_would_be(
    nucleus: tuple[int, int], share: float
) -> None:
    settings = replace(WINDOW, window_side=share)
    picture, center = draw_picture(nucleus), (float(nucleus[0]), float(nucleus[1]))
    assert boxes(picture, [center, (10.0, 10.0)], settings)[0] == own_box(picture, settings)


def test_several_cells_have_a_window_each() -> None:
    found = boxes(draw_picture(), [(60.0, 90.0), (100.0, 150.0)], WINDOW)
    assert [box[:2] for box in found] == [(60, 30), (120, 70)]
    assert {(box.right - box.left, box.bottom - box.top) for box in found} == {(60, 60)}


@pytest.mark.parametrize("centers", [[(60.0, 90.0)], [(5.0, 5.0)]])
def test_the_view_whole_shows_the_whole_picture_of_one_cell(
    centers: list[tuple[float, float]],
) -> None:
    assert boxes(draw_picture(), centers, WHOLE) == [Box(0, 0, 160, 120)]


def test_the_view_whole_moves_each_of_several_cells_into_the_middle() -> None:
    first, second = boxes(draw_picture(), [(60.0, 80.0), (10.0, 20.0)], WHOLE)
    assert first == Box(0, 0, 160, 120)
    assert second == Box(left=-60, top=-50, right=100, bottom=70)
    beyond = np.asarray(draw_picture().crop(second))[:50]
    assert beyond.max() == 0  # black, as in the published copies


@pytest.mark.parametrize(("settings", "columns"), [(WINDOW, 30), (WHOLE, 40)])
def test_a_window_given_in_pixels_replaces_the_runs(settings: Settings, columns: int) -> None:
    (box,) = boxes(draw_picture(), [(60.0, 90.0)], settings, window=30)
    assert (box.bottom - box.top, box.right - box.left) == (30, columns)


def test_a_single_cell_has_a_window_of_the_pixels_given_around_its_nucleus() -> None:
    assert own_box(draw_picture(), WINDOW, window=30) == Box(left=76, top=46, right=106, bottom=76)


@pytest.mark.parametrize("settings", [WINDOW, WHOLE])
def test_a_window_that_no_memory_could_hold_is_refused(settings: Settings) -> None:
    with pytest.raises(UndecodableError, match=r"a window of 9000x\d+ pixels is more than"):
        boxes(draw_picture(), [(60.0, 90.0)], settings, window=9000)
    strip = Image.new("RGB", (10, 30_000))
    with pytest.raises(UndecodableError, match=r"a window of 15000x15000 pixels"):
        own_box(strip, WINDOW)


def test_no_cell_no_window() -> None:
    assert boxes(draw_picture(), [], WINDOW) == []
