"""Which originals are photographs of the same place: the field was moved a little in between.

    overlaps = find_overlaps(images)
    scenes = join_scenes((pair.first, pair.second) for pair in overlaps)      # of sources.py

Photographs of one place under one microscope differ by a shift alone. So a pair counts where few
key points agree, provided that the affine map they agree on is a shift, and the pictures then
look alike: chance matches practically never give a shift.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8
from tqdm import tqdm

from wbc_jax.leakage import alignment
from wbc_jax.leakage.keypoints import Gallery, detect

LEAST_INLIERS = 5  # chance reaches that, but not with a shift
LEAST_CORRELATION = 0.85  # over the common area
_DEVIATION = 0.1  # of the map's linear part from identity, largest entry

Image = UInt8[np.ndarray, "240 320 3"]


@dataclass(frozen=True)
class Overlap:
    """Two originals that show the same place in part.

    Attributes:
        first: the lower of both names.
        second: the other one.
        inliers: key points that agree on the map.
        common: share of the second's frame in which the first has content.
        correlation: over that area.
        matrix: from the first to the second, both at 320x240, pixels.
    """

    first: str
    second: str
    inliers: int
    common: float
    correlation: float
    matrix: Float64[np.ndarray, "2 3"]


def find_overlaps(images: Mapping[str, Image]) -> list[Overlap]:
    """Compares all originals with each other.

    Args:
        images: name -> original.

    Returns:
        The pairs that overlap, sorted by name.
    """
    names = sorted(images)
    points = {name: detect(images[name]) for name in names}
    gallery = Gallery([points[name] for name in names], groups=names)
    found = []
    for second in tqdm(names, desc="originals", unit=" files", disable=None):
        for index, match in gallery.all_matches(points[second], at_least=LEAST_INLIERS).items():
            first = names[index]
            if first >= second or match.matrix is None or not _is_shift(match.matrix):
                continue
            correlation = alignment.agreement(images[first], images[second], match.matrix)
            if correlation < LEAST_CORRELATION:
                continue
            frame = images[first].shape[:2]
            common = alignment.common_area(frame, match.matrix, frame[::-1]).mean()
            found.append(
                Overlap(first, second, match.inliers, float(common), correlation, match.matrix)
            )
    return sorted(found, key=lambda overlap: (overlap.first, overlap.second))


def _is_shift(matrix: Float64[np.ndarray, "2 3"]) -> bool:
    return bool(np.abs(matrix[:, :2] - np.eye(2)).max() < _DEVIATION)
