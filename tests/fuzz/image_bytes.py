"""Bytes that are nearly images, through everything that decodes."""

import numpy as np
from hypothesis import strategies as st

from tests.datasets.bad_images import KINDS
from wbc_jax.data.preprocessing import Settings, preprocess
from wbc_jax.datasets.decoding import UndecodableError, decode
from wbc_jax.leakage.fingerprints import NoPictureError, fingerprint
from wbc_jax.leakage.picture_parts import Picture

_SEEDS = [k.content for k in KINDS if k.content is not None and len(k.content) < 20_000]
_SETTINGS = Settings(first_size=0, image_size=4, gray=True)


@st.composite
def damaged_images(draw: st.DrawFn) -> bytes:
    """Draws an image file with up to four changes: bytes replaced, cut, inserted, zeroed."""
    content = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(("replace", "cut", "insert", "zero", "ones", "splice"))):
            case "replace":
                new = draw(st.binary(min_size=1, max_size=8))
                content[place : place + len(new)] = new
            case "cut":
                del content[place : place + draw(st.integers(1, 200))]
            case "insert":
                content[place:place] = draw(st.binary(max_size=40))
            case "zero":
                content[place : place + 16] = bytes(16)
            case "ones":
                content[place : place + 4] = b"\xff" * 4
            case "splice":
                content[place:] = draw(st.sampled_from(_SEEDS))[place:]
    return bytes(content)


FILES = st.one_of(damaged_images(), st.binary(max_size=200))
FOUND = (b"", b"P5 1 1 65535\n\xff\xff")


def image_bytes(content: bytes) -> None:
    """Decoding gives 8-bit RGB or one printable line, whatever the bytes."""
    try:
        image = decode(content)
    except UndecodableError as error:
        assert 0 < len(str(error)) <= 300
        assert str(error).isprintable()
        image = None
    picture = Picture("train", "a.png")
    if image is None:
        for read in (lambda: preprocess(content, _SETTINGS), lambda: fingerprint(picture, content)):
            try:
                read()
            except (UndecodableError, NoPictureError):
                continue
            raise AssertionError("two entrances disagree")
        return
    assert image.mode == "RGB"
    assert min(image.size) >= 1
    pixels = np.asarray(image)
    assert (pixels.shape, pixels.dtype) == ((image.height, image.width, 3), np.uint8)
    assert preprocess(content, _SETTINGS).shape == (4, 4, 1)
    assert fingerprint(picture, content).picture == picture
