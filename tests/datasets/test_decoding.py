"""Every kind of image is read as it must be, or refused in one line that says why."""

import io
import re
import warnings

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
