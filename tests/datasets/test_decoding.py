"""Every kind of image is read as it must be, or refused in one line that says why."""

import io
import re
import struct
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from tests.datasets.bad_images import (
    KINDS,
    READABLE,
    REFUSED,
    RGB,
    Kind,
    assert_right,
    by_name,
    encoded,
)
from wbc_jax.datasets import decoding
from wbc_jax.datasets.decoding import UndecodableError, decode

WITH_BYTES = [kind for kind in KINDS if kind.content is not None]


def test_there_are_enough_kinds() -> None:
    assert len(READABLE) >= 20
    assert len(REFUSED) >= 20
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", WITH_BYTES, ids=by_name)
def test_it_is_read_right_or_refused(kind: Kind) -> None:
    assert kind.content is not None
    if kind.pixels is not None:
        image = decode(kind.content)
        assert image.mode == "RGB"
        assert_right(np.asarray(image), kind)
        return
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # as `decoding` has it
    with pytest.raises(UndecodableError, match=kind.reason) as caught:
        decode(kind.content)
    assert str(caught.value).isprintable()


def test_what_is_too_large_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST_PIXELS", RGB.shape[0] * RGB.shape[1])
    assert decode(encoded(RGB)).size == (16, 12)
    larger = encoded(np.zeros((12, 17, 3), np.uint8))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UndecodableError, match="17x12 pixels are more than the 192 pixels allowed"):
        decode(larger)


def test_exif_data_that_is_no_exif_leaves_the_picture_as_it_is() -> None:
    warnings.simplefilter("ignore")  # Pillow's own, of what is spoilt
    spoilt = encoded(RGB, exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    np.testing.assert_array_equal(np.asarray(decode(spoilt)), RGB)


def test_a_reason_is_one_short_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a\nb\x1b" + "c" * 5000)

    monkeypatch.setattr(decoding.Image, "open", fail)
    with pytest.raises(UndecodableError) as caught:
        decode(b"x")
    assert re.fullmatch(r"a\\nb\\x1bc{190,200}", str(caught.value))


def test_an_image_that_needs_nothing_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "convert", lambda self, mode: pytest.fail("converted"))
    content = encoded(RGB, "JPEG")
    np.testing.assert_array_equal(
        np.asarray(decode(content)), np.asarray(Image.open(io.BytesIO(content)))
    )


def deep_files(values: np.ndarray) -> dict[str, bytes]:
    """Returns 16-bit values as files of every kind that has them, gray and in colour."""
    gray, colour = values[..., 0], values[..., ::-1]
    with_alpha = np.dstack([colour, np.full_like(gray, 65535)])
    return {
        "gray PNG": encoded(gray),
        "gray TIFF": encoded(gray, "TIFF"),
        "gray PGM": b"P5 16 12 65535\n" + gray.astype(">u2").tobytes(),
        "32-bit TIFF": encoded(Image.fromarray(gray.astype(np.int32)), "TIFF"),
        "PNG": cv2.imencode(".png", colour)[1].tobytes(),
        "PNG with alpha": cv2.imencode(".png", with_alpha)[1].tobytes(),
        "TIFF": cv2.imencode(".tiff", colour)[1].tobytes(),
        "raw TIFF": cv2.imencode(".tiff", colour, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1].tobytes(),
    }


@pytest.mark.parametrize("name", deep_files(np.zeros((12, 16, 3), np.uint16)))
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_in_sixteen_are_refused_unless_scaled(bits: int, name: str) -> None:
    """Their upper bytes are 0 to 63 at most: dark, or the same for different pictures."""
    values = RGB.astype(np.uint16) << bits - 8
    values[0, 0] = 2**bits - 1
    told = r"below 16,384.*scale them to 0 to 65,535; .* truly is so dark, save it with 8 bits"
    with pytest.raises(UndecodableError, match=told):
        decode(deep_files(values)[name])
    values[0, 0] = 16384  # a dark picture of 16 bits
    assert np.asarray(decode(deep_files(values)[name])).max() == 64


@pytest.mark.parametrize("name", deep_files(np.zeros((12, 16, 3), np.uint16)))
def test_sixteen_bits_give_their_upper_eight(name: str) -> None:
    values = RGB.astype(np.uint16) * 257
    read = np.asarray(decode(deep_files(values)[name]))
    expected = np.repeat(RGB[..., :1], 3, -1) if "gray" in name or "32" in name else RGB
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bits_of_black_are_black(file_format: str) -> None:
    assert not np.asarray(decode(encoded(np.zeros((12, 16), np.uint16), file_format))).any()


def test_eight_bits_may_be_as_dark_as_they_are() -> None:
    dark = RGB // 32
    np.testing.assert_array_equal(np.asarray(decode(encoded(dark))), dark)
    # Five and six bits a channel are a BMP of "16 bits".
    header = b"BM" + struct.pack("<IHHI", 54 + 8, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 16, 0, 8, 0, 0, 0, 0)
    assert np.asarray(decode(header + struct.pack("<4H", 1, 1, 1, 1))).max() < 16
