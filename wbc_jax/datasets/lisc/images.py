"""LISC's BMP files as PNG bytes: the same pixels, and a mask in one form.

smears, left_out = check(tree, smears)             # every file decoded once
image_png, mask_png = encode_smear(tree, smears[0])
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from tqdm import tqdm

from wbc_jax.datasets.bad_images import BadFile, refusal
from wbc_jax.datasets.decoding import UndecodableError, decode
from wbc_jax.datasets.encoding import encode
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.datasets.lisc.source import Smear, misnamed
from wbc_jax.errors import UserError
from wbc_jax.printable import printable

_log = logging.getLogger(__name__)

Rgb = UInt8[np.ndarray, "height width 3"]
Mask = Bool[np.ndarray, "height width"]

# The expert's drawings are 712x568 for images of 720x576: a frame of this many pixels is left out
# on every side. Users of the set report it in public; we have no copy to see it in.
FRAME = 4


def decode_image(data: bytes) -> Rgb:
    """Returns the pixels of an image file, whatever its colour mode, as 0-255 RGB.

    Raises:
        UndecodableError: it is no image that can be used.
    """
    return np.asarray(decode(data))


def decode_mask(data: bytes, *, height: int, width: int) -> Mask:
    """Returns where the expert drew a cell.

    The files distinguish nucleus from cytoplasm by gray level, and come with one bit, a palette
    or full colour; all that is not black is cell here.

    Args:
        data: the mask's file.
        height: of the image it belongs to, pixels.
        width: of the same.

    Raises:
        UndecodableError: it is unreadable, or has neither the image's size nor that without the
            frame.
    """
    mask = (decode_image(data) != 0).any(axis=-1)
    if mask.shape == (height - 2 * FRAME, width - 2 * FRAME):
        mask = np.pad(mask, FRAME)
    if mask.shape != (height, width):
        raise UndecodableError(
            f"the mask is {mask.shape[1]}x{mask.shape[0]}, its image {width}x{height} pixels"
        )
    return mask


def encode_smear(tree: ImageTree, smear: Smear) -> tuple[bytes, bytes]:
    """Returns the PNG bytes of a smear and of its mask (0 and 255; all 0 where it has none).

    Raises:
        UndecodableError: they are not as `check` would have them.
    """
    image = decode_image(tree.read(smear.image))
    height, width = image.shape[:2]
    mask = np.zeros((height, width), bool)
    if smear.mask is not None:
        mask = decode_mask(tree.read(smear.mask), height=height, width=width)
    drawn = mask.astype(np.uint8) * np.uint8(255)
    return encode(Image.fromarray(image), "PNG"), encode(Image.fromarray(drawn), "PNG")


def check(
    tree: ImageTree, smears: Sequence[Smear], *, on_bad_image: str = "error"
) -> tuple[list[Smear], list[BadFile]]:
    """Decodes every file once, before anything is written.

    Args:
        tree: of the database.
        smears: its images.
        on_bad_image: "error" refuses it for a bad file, "skip" leaves out a bad image, and of an
            image whose mask is bad the mask.

    Returns:
        The smears that can be used, and the files left out.

    Raises:
        UserError: some are unreadable or do not fit together; it names them.
    """
    usable: list[Smear] = []
    bad = misnamed(tree, smears)
    named = {file for file, _ in bad}
    for smear in tqdm(smears, desc="checking lisc", unit=" images", delay=2, disable=None):
        if printable(smear.image) in named:
            continue
        try:
            image = decode_image(tree.read(smear.image))
        except (UndecodableError, UserError) as error:
            bad.append(BadFile(smear.image, str(error)))
            continue
        if smear.mask is not None:
            try:
                decode_mask(tree.read(smear.mask), height=image.shape[0], width=image.shape[1])
            except (UndecodableError, UserError) as error:
                bad.append(BadFile(printable(smear.mask), str(error)))
                smear = replace(smear, mask=None)
        usable.append(smear)
    if bad and (on_bad_image == "error" or not usable):
        remedy = "Unpack the authors' zip again, or add --on_bad_image=skip to leave them out"
        raise refusal("lisc", tree.where, bad, remedy=remedy)
    drawn = sum(smear.mask is not None for smear in usable)
    _log.info("lisc: %d of %d images have an expert's mask", drawn, len(usable))
    return usable, bad
