"""What the audit keeps of a picture: digests, perceptual hashes and key points, 40 kB in all.

fingerprints, unreadable = take_fingerprints(pictures, parts.read)
fingerprints[0].keypoints(mirrored=True)
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8, UInt64
from tqdm import tqdm

from wbc_jax.cores import num_cores
from wbc_jax.datasets import decoding
from wbc_jax.datasets.decoding import UndecodableError
from wbc_jax.datasets.picture_names import is_meant, is_read
from wbc_jax.errors import UserError
from wbc_jax.leakage.keypoints import EFFORTS, Effort, Keypoints, detect
from wbc_jax.leakage.perceptual_hash import perceptual_hashes
from wbc_jax.leakage.picture_parts import Picture

LONGEST_SIDE = 320  # pixels at which pictures are compared; larger ones are shrunk
FEW_POINTS = 150  # of a picture; where there are fewer, as in small ones, more are looked for
MOST_POINTS = 1000  # of a picture; it bounds the memory where there is texture everywhere

# SIFT describes a point by 4x4 histograms of 8 directions each, in axes turned with the point: in
# the mirror image the rows stand in reverse order and the directions turn the other way round.
_MIRRORED = np.arange(128).reshape(4, 4, 8)[::-1][:, :, -np.arange(8) % 8].ravel()

Pixels = UInt8[np.ndarray, "h w 3"]


class NoPictureError(Exception):
    """A file is no picture that can be read and is not named like one of a format that is."""


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of a picture.

    Attributes:
        picture: where it is.
        file_digest: of the file's bytes.
        pixel_digest: of the decoded pixels and their layout.
        hashes: see perceptual_hash.py.
        points: (x, y) of the key points at no more than `LONGEST_SIDE`, pixels.
        descriptors: SIFT's.
    """

    picture: Picture
    file_digest: bytes
    pixel_digest: bytes
    hashes: UInt64[np.ndarray, " 8"]
    points: Float32[np.ndarray, "n 2"]
    descriptors: UInt8[np.ndarray, "n 128"]

    def keypoints(self, *, mirrored: bool = False) -> Keypoints:
        """Returns the key points; mirrored as `detect` gives them for the mirror image."""
        descriptors = mirror(self.descriptors) if mirrored else self.descriptors
        return Keypoints(self.points, descriptors.astype(np.float32))


def mirror(descriptors: UInt8[np.ndarray, "n 128"]) -> UInt8[np.ndarray, "n 128"]:
    """Returns the descriptors that the same points have in the mirror image."""
    return descriptors[:, _MIRRORED]


def take_fingerprints(
    pictures: Sequence[Picture], read: Callable[[Picture], bytes]
) -> tuple[list[Fingerprint], dict[Picture, str]]:
    """Reads pictures; what cannot be read does not stop the others.

    Args:
        pictures: which; files that are no pictures are passed over.
        read: returns a file's bytes.

    Returns:
        Fingerprints in the order of `pictures`, and picture -> reason of those not readable.
    """

    def take(picture: Picture) -> Fingerprint | str | None:
        try:
            return fingerprint(picture, read(picture))
        except NoPictureError:
            return None
        except (UndecodableError, UserError) as error:
            return str(error)

    fingerprints: list[Fingerprint] = []
    unreadable: dict[Picture, str] = {}
    # OpenCV and Pillow let other threads run while they compute.
    with ThreadPoolExecutor(num_cores()) as pool:
        results = pool.map(take, pictures)
        shown = tqdm(
            results, total=len(pictures), desc="reading", unit=" files", delay=2, disable=None
        )
        for picture, result in zip(pictures, shown, strict=True):
            if isinstance(result, str):
                unreadable[picture] = result
            elif result is not None:
                fingerprints.append(result)
    return fingerprints, unreadable


def fingerprint(picture: Picture, content: bytes) -> Fingerprint:
    """Returns what is kept of a picture.

    Args:
        picture: where it is.
        content: the file's bytes.

    Raises:
        UndecodableError: it cannot be decoded.
        NoPictureError: it is none of a format that is read, and is not named like one.
    """
    pixels = decode(picture.file, content)
    layout = repr(pixels.shape).encode()
    shrunk = shrink(pixels)
    points = _detect(shrunk, EFFORTS[0])
    if len(points) < FEW_POINTS:
        points = _detect(shrunk, EFFORTS[1])
    return Fingerprint(
        picture=picture,
        file_digest=hashlib.sha256(content).digest(),
        pixel_digest=hashlib.sha256(layout + pixels.tobytes()).digest(),
        hashes=perceptual_hashes(shrunk),
        points=points.points,
        descriptors=points.descriptors.astype(np.uint8),
    )


def decode(file: str, content: bytes) -> Pixels:
    """Returns an encoded picture in 8-bit RGB.

    Args:
        file: its name, which tells whether it is meant to be a picture.
        content: the file's bytes.

    Raises:
        UndecodableError: it cannot be decoded.
        NoPictureError: it is none of a format that is read, and is not named like one.
    """
    try:
        return np.array(decoding.decode(content))
    except UndecodableError as error:
        # A scanner's slide is a TIFF under a name of its own, whose pages are no single picture.
        if not is_read(file) and (is_meant(file) or not error.is_image):
            raise NoPictureError(file) from error
        raise


def shrink(pixels: Pixels) -> UInt8[np.ndarray, "_ _ 3"]:
    """Returns a picture at no more than `LONGEST_SIDE` pixels a side, with its proportions."""
    height, width = pixels.shape[:2]
    factor = LONGEST_SIDE / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _detect(image: Pixels, effort: Effort) -> Keypoints:
    """Returns a picture's key points, of very many only those of high contrast."""
    contrast = effort.contrast
    while len(points := detect(image, contrast=contrast, enlarge=effort.enlarge)) > MOST_POINTS:
        contrast *= 1.5
    return points
