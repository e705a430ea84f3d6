"""A number for how a picture looks as a whole: near-duplicates differ in few of its 64 bits.

    mine, theirs = perceptual_hashes(image), perceptual_hashes(other)
    distances(mine[None, :1], theirs[None])[0, 0]        # bits, at the best of eight orientations

A bit is the sign of one of the 8x8 lowest frequencies of the picture's cosine transform, at 32x32
gray pixels. Recompression, scaling and a change of brightness or contrast leave most signs as they
are; a turn by an angle or a shift does not, see shortlist.py for those. A flip or a quarter turn
changes the transform in signs and by transposition only, so that one transform gives the hashes of
all eight orientations.

Source: Zauner (2010), "Implementation and benchmarking of perceptual image hash functions".
"""

import cv2
import numpy as np
import scipy.fft
from jaxtyping import Float64, UInt8, UInt64

_SIDE = 32  # pixels that are transformed
_LOWEST = 8  # frequencies each way
# Whether to transpose, then to flip up and down, then left and right: all orientations there are.
ORIENTATIONS = tuple((bool(k & 4), bool(k & 2), bool(k & 1)) for k in range(8))

Image = UInt8[np.ndarray, "h w 3"]
Pixels = UInt8[np.ndarray, "_ _ ..."]


def perceptual_hashes(image: Image) -> UInt64[np.ndarray, " 8"]:
    """Returns a picture's hash in every orientation, the given one first.

    Args:
        image: 8-bit RGB of any size.
    """
    gray = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    spectrum = np.asarray(scipy.fft.dctn(small))[:_LOWEST, :_LOWEST]
    bits = np.stack([_oriented_spectrum(spectrum, k) > 0 for k in range(len(ORIENTATIONS))])
    return np.packbits(bits.reshape(len(ORIENTATIONS), -1), axis=1).view(">u8")[:, 0].astype("u8")


def orient(image: Pixels, orientation: int) -> Pixels:
    """Returns a picture in one of the `ORIENTATIONS`.

    Args:
        image: rows, columns, and channels if any.
        orientation: index into `ORIENTATIONS`.
    """
    transposed, flipped, mirrored = ORIENTATIONS[orientation]
    turned = image.swapaxes(0, 1) if transposed else image
    return np.ascontiguousarray(turned[:: -1 if flipped else 1, :: -1 if mirrored else 1])


def distances(
    first: UInt64[np.ndarray, "a f"], second: UInt64[np.ndarray, "b s"]
) -> UInt8[np.ndarray, "a b"]:
    """Returns in how many bits pictures differ, at the best pair of their orientations.

    Args:
        first: hashes of each picture; one orientation is enough on one of both sides.
        second: hashes of each other picture.
    """
    best = np.full((len(first), len(second)), 64, np.uint8)
    for ours in first.T:
        for theirs in second.T:
            np.minimum(best, np.bitwise_count(ours[:, None] ^ theirs[None]), out=best)
    return best


def best_orientation(first: UInt64[np.ndarray, " 8"], second: UInt64[np.ndarray, " 8"]) -> int:
    """Returns the orientation of the second picture that is nearest to the first as it is."""
    return int(np.bitwise_count(first[0] ^ second).argmin())


def _oriented_spectrum(
    spectrum: Float64[np.ndarray, "n n"], orientation: int
) -> Float64[np.ndarray, "n n"]:
    """Returns the transform of `orient(image, orientation)` from that of `image`."""
    transposed, flipped, mirrored = ORIENTATIONS[orientation]
    signs = np.where(np.arange(len(spectrum)) % 2, -1.0, 1.0)  # flipped, odd cosines change sign
    turned = spectrum.T if transposed else spectrum
    turned = turned * signs[:, None] if flipped else turned
    return turned * signs if mirrored else turned
