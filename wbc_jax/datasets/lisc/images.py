"""LISC's BMP files as PNG bytes: the same pixels, and a mask in one form.

problems = check(tree, smears)                     # every file decoded once
image_png = encode(decode_image(tree.read("...")))
"""

import io
import logging
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from tqdm import tqdm

from wbc_jax.datasets.image_tree import ImageTree, listed
from wbc_jax.datasets.lisc.source import Smear
from wbc_jax.errors import UserError

_log = logging.getLogger(__name__)

Rgb = UInt8[np.ndarray, "height width 3"]
Mask = Bool[np.ndarray, "height width"]

# The expert's drawings are 712x568 for images of 720x576: a frame of this many pixels is left out
# on every side. Users of the set report it in public; we have no copy to see it in.
FRAME = 4


def decode_image(data: bytes) -> Rgb:
    """Returns the pixels of an image file, whatever its colour mode, as 0-255 RGB.

    Raises:
        ValueError: it is not an image, or is cut short.
    """
    # PIL raises many kinds of errors for broken files; a caller needs only one.
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = "no image format" if isinstance(error, Image.UnidentifiedImageError) else error
        raise ValueError(f"unreadable: {reason}") from error


def decode_mask(data: bytes, *, height: int, width: int) -> Mask:
    """Returns where the expert drew a cell.

    The files distinguish nucleus from cytoplasm by gray level, and come with one bit, a palette
    or full colour; all that is not black is cell here.

    Args:
        data: the mask's file.
        height: of the image it belongs to, pixels.
        width: of the same.

    Raises:
        ValueError: it is unreadable, or has neither the image's size nor that without the frame.
    """
    mask = (decode_image(data) != 0).any(axis=-1)
    if mask.shape == (height - 2 * FRAME, width - 2 * FRAME):
        mask = np.pad(mask, FRAME)
    if mask.shape != (height, width):
        raise ValueError(
            f"the mask is {mask.shape[1]}x{mask.shape[0]}, its image {width}x{height} pixels"
        )
    return mask


def encode(pixels: Rgb | UInt8[np.ndarray, "height width"]) -> bytes:
    """Returns a PNG of the pixels, without loss."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def encode_smear(tree: ImageTree, smear: Smear) -> tuple[bytes, bytes]:
    """Returns the PNG bytes of a smear and of its mask (0 and 255; all 0 where it has none).

    Raises:
        ValueError: they are not as `check` would have them.
    """
    image = decode_image(tree.read(smear.image))
    height, width = image.shape[:2]
    mask = np.zeros((height, width), bool)
    if smear.mask is not None:
        mask = decode_mask(tree.read(smear.mask), height=height, width=width)
    return encode(image), encode(mask.astype(np.uint8) * np.uint8(255))


def check(tree: ImageTree, smears: Sequence[Smear]) -> None:
    """Decodes every file once, before anything is written.

    Raises:
        UserError: some are unreadable or do not fit together; it names them.
    """
    problems = []
    for smear in tqdm(smears, desc="checking lisc", unit=" images", delay=2, disable=None):
        try:
            image = decode_image(tree.read(smear.image))
        except (ValueError, UserError) as error:
            problems.append(f"{smear.image} ({error})")
            continue
        if smear.mask is not None:
            try:
                decode_mask(tree.read(smear.mask), height=image.shape[0], width=image.shape[1])
            except (ValueError, UserError) as error:
                problems.append(f"{smear.mask} ({error})")
    if problems:
        raise UserError(
            f"lisc: {len(problems)} of the files in {tree.where} cannot be used: "
            f"{listed(problems, at_most=4)}. Unpack the authors' zip again; nothing was prepared"
        )
    drawn = sum(smear.mask is not None for smear in smears)
    _log.info("lisc: %d of %d images have an expert's mask", drawn, len(smears))
