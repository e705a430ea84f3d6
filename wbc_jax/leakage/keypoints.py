"""Whether two pictures show the same thing, and how one lies in the other: key points in both.

    ours, theirs = detect(copy), detect(original)
    found = match(theirs, ours)       # found.inliers, found.matrix: original -> copy

    gallery = Gallery([detect(image) for image in originals], groups=names)
    gallery.best_two(ours)            # the best group of candidates, and its rival

SIFT does not know a picture from its mirror image, so a candidate that may be mirrored is
described twice, once with `detect(image, mirrored=True)`. All is the same on every call: OpenCV's
RANSAC starts from a fixed seed, and the descriptors are whole numbers, so their distances are
exact in float32 however a matrix product is split.

Sources: Lowe (2004), "Distinctive image features from scale-invariant keypoints"; Fischler and
Bolles (1981), "Random sample consensus".
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

RATIO = 0.8  # the nearest descriptor must be nearer than this share of the second nearest
TOLERANCE = 3.0  # of a point's place under the affine map, pixels
CONTRAST = 0.02  # SIFT's contrast threshold; half of OpenCV's: blood smears are pale
_LEAST_PAIRS = 4  # three fit an affine map whatever they are

Image = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Effort:
    """How key points are looked for.

    Attributes:
        contrast: SIFT's threshold.
        enlarge: factor of magnification before.
    """

    contrast: float
    enlarge: int


EFFORTS = (Effort(CONTRAST, 1), Effort(CONTRAST / 4, 2))  # the second where the first is too little


@dataclass(frozen=True)
class Keypoints:
    """The key points of a picture.

    Attributes:
        points: (x, y) of each, pixels; the centre of the first pixel is (0, 0).
        descriptors: SIFT's, whole numbers of 0 to 255.
    """

    points: Float32[np.ndarray, "n 2"]
    descriptors: Float32[np.ndarray, "n 128"]

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class AffineMatch:
    """How well one picture fits into another.

    Attributes:
        inliers: pairs of key points that agree on one affine map; 0 where there is none.
        matrix: from (x, y, 1) in the first to (x, y) in the second picture, pixels, by least
            squares over the inliers; None where there is none.
    """

    inliers: int
    matrix: Float64[np.ndarray, "2 3"] | None


@dataclass(frozen=True)
class BestTwo:
    """The best group of candidates for a picture, and its rival.

    Attributes:
        matches: of the candidates of the best group that match at all, by index in the gallery,
            from the candidate to the picture; most inliers first, of equals the first.
        runner_up: most inliers of any candidate of another group.
        rival: that candidate's index; None where no other group matches at all.
    """

    matches: dict[int, AffineMatch]
    runner_up: int
    rival: int | None


def detect(
    image: Image, *, mirrored: bool = False, contrast: float = CONTRAST, enlarge: int = 1
) -> Keypoints:
    """Finds and describes a picture's key points.

    Args:
        image: 8-bit RGB.
        mirrored: describe the picture's mirror image (left and right swapped). Points are
            always those of `image` itself, so that a map found through them holds the flip.
        contrast: SIFT's threshold; lower finds more and fainter points.
        enlarge: factor of magnification before; more finds smaller points.

    Returns:
        The key points, in OpenCV's order.
    """
    gray = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    if mirrored:
        gray = cv2.flip(gray, 1)
    if enlarge != 1:
        gray = cv2.resize(gray, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC)
    # Without the precise upscaling points lie a quarter of a pixel off, to the other side in the
    # mirror image.
    sift = cv2.SIFT.create(contrastThreshold=contrast, enable_precise_upscale=True)
    found, described = sift.detectAndCompute(gray, None)
    if described is None:
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    points = np.array([point.pt for point in found], np.float32)
    points = (points + np.float32(0.5)) / np.float32(enlarge) - np.float32(0.5)
    if mirrored:
        points[:, 0] = image.shape[1] - 1 - points[:, 0]
    return Keypoints(points, described)


def match(first: Keypoints, second: Keypoints) -> AffineMatch:
    """Fits an affine map from the first picture to the second.

    The second picture's points look for their like among the first's: which is which matters
    little, but not nothing.
    """
    return Gallery([first], groups=[0]).best_two(second).matches.get(0, AffineMatch(0, None))


class Gallery:
    """Many candidates, described once, against which pictures are matched one by one."""

    def __init__(self, candidates: Sequence[Keypoints], groups: Sequence[Hashable]) -> None:
        """Joins the candidates' descriptors.

        Args:
            candidates: their key points; one picture may be there twice, plain and mirrored.
            groups: of each candidate; those of one group are no rivals of each other.
        """
        self._candidates = list(candidates)
        self._groups = list(groups)
        self._places = [_place_numbers(candidate.points) for candidate in candidates]
        ends = np.cumsum([len(candidate) for candidate in candidates])
        self._spans = list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))
        joined = np.concatenate([candidate.descriptors for candidate in candidates])
        # |a - b|^2 - |a|^2 = -2 a.b + |b|^2 as one product: below 2^24, hence exact in float32.
        self._table = np.ascontiguousarray(
            np.column_stack([-2.0 * joined, (joined**2).sum(1)]).T.astype(np.float32)
        )

    def best_two(self, picture: Keypoints) -> BestTwo:
        """Returns the best group of candidates for a picture, and the best of another group.

        Every candidate is compared; RANSAC is left out only where there are no more pairs than
        the runner-up already has inliers, so that it could change neither group.
        """
        pairs = list(self._pairs(picture))
        order = sorted(range(len(pairs)), key=lambda i: (-len(pairs[i][0]), i))
        inliers: dict[int, int] = {}  # of the candidates compared
        most: dict[Hashable, int] = {}  # of any candidate of a group
        for index in order:
            if len(pairs[index][0]) <= sum(sorted(most.values())[-2:-1]):
                break
            agreeing = int(self._agreeing(index, picture, *pairs[index]).sum())
            if agreeing >= _LEAST_PAIRS:
                inliers[index] = agreeing
                group = self._groups[index]
                most[group] = max(agreeing, most.get(group, 0))
        ranked = sorted(inliers, key=lambda i: (-inliers[i], i))
        if not ranked:
            return BestTwo({}, 0, None)
        group = self._groups[ranked[0]]
        rival = next((i for i in ranked if self._groups[i] != group), None)
        own = (i for i in ranked if self._groups[i] == group)
        matches = {i: self._fit(i, picture, *pairs[i]) for i in own}
        return BestTwo(matches, 0 if rival is None else inliers[rival], rival)

    def all_matches(self, picture: Keypoints, *, at_least: int) -> dict[int, AffineMatch]:
        """Returns the match of every candidate with `at_least` inliers, by index."""
        matches = {
            index: self._fit(index, picture, ours, theirs)
            for index, (ours, theirs) in enumerate(self._pairs(picture))
            if len(ours) >= at_least
        }
        return {index: found for index, found in matches.items() if found.inliers >= at_least}

    def _pairs(
        self, picture: Keypoints
    ) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]]:
        """Yields, by candidate, the paired points of the picture and of the candidate."""
        count = len(picture)
        rows = np.arange(count)
        own = (picture.descriptors**2).sum(1)
        places = _place_numbers(picture.points)
        query = np.column_stack([picture.descriptors, np.ones(count, np.float32)])
        distances = query @ self._table
        for (start, end), their_places in zip(self._spans, self._places, strict=True):
            if end - start < _LEAST_PAIRS or count < _LEAST_PAIRS:
                yield np.zeros(0, np.int64), np.zeros(0, np.int64)
                continue
            block = distances[:, start:end]
            nearest = block.argmin(1)
            first = block[rows, nearest]
            block[rows, nearest] = np.inf
            second = block.min(1) + own
            first = first + own
            kept = np.flatnonzero(first < np.float32(RATIO**2) * second)
            kept = kept[np.argsort(first[kept], kind="stable")]
            # One to one between places: many points on one would agree on anything. Places, as
            # SIFT gives a point with two directions twice.
            kept = kept[np.sort(np.unique(their_places[nearest[kept]], return_index=True)[1])]
            kept = kept[np.sort(np.unique(places[kept], return_index=True)[1])]
            yield kept, nearest[kept]

    def _agreeing(
        self,
        index: int,
        picture: Keypoints,
        ours: Int64[np.ndarray, " p"],
        theirs: Int64[np.ndarray, " p"],
    ) -> np.ndarray:
        """Returns which pairs agree on the best affine map, as booleans."""
        if len(ours) < _LEAST_PAIRS:
            return np.zeros(len(ours), bool)
        matrix, inside = cv2.estimateAffine2D(
            self._candidates[index].points[theirs],
            picture.points[ours],
            method=cv2.RANSAC,
            ransacReprojThreshold=TOLERANCE,
            maxIters=2000,
            confidence=0.99,
            refineIters=0,
        )
        if matrix is None or inside is None:
            return np.zeros(len(ours), bool)
        return inside.ravel().astype(bool)

    def _fit(
        self,
        index: int,
        picture: Keypoints,
        ours: Int64[np.ndarray, " p"],
        theirs: Int64[np.ndarray, " p"],
    ) -> AffineMatch:
        inside = self._agreeing(index, picture, ours, theirs)
        inliers = int(inside.sum())
        if inliers < _LEAST_PAIRS:
            return AffineMatch(0, None)
        source = self._candidates[index].points[theirs[inside]].astype(np.float64)
        target = picture.points[ours[inside]].astype(np.float64)
        solved = np.linalg.lstsq(np.column_stack([source, np.ones(inliers)]), target, rcond=None)
        return AffineMatch(inliers, np.ascontiguousarray(solved[0].T))


def _place_numbers(points: Float32[np.ndarray, "n 2"]) -> Int64[np.ndarray, " n"]:
    """Numbers the distinct places among points, to a tenth of a pixel."""
    if not len(points):
        return np.zeros(0, np.int64)
    return np.unique(np.round(points, 1), axis=0, return_inverse=True)[1].reshape(-1)
