"""Which of thousands of pictures may show what a picture shows: votes of its key points.

    index = DescriptorIndex([fingerprint.descriptors for fingerprint in gallery])
    for candidates in index.candidates([fingerprint.descriptors for fingerprint in queries]):
        candidates[:MOST_CANDIDATES]   # positions in the gallery

Every key point votes for the pictures that have a similar one, and its vote is divided among them:
what many pictures have, such as the corners of a black border, says little. Similar points are
looked for in the few of some thousand cells of descriptor space that lie nearest, which is where
nearly all of them are. Descriptors are whole numbers, so their distances are exact in float32, and
the result is the same for any number of threads.

Sources: Sivic and Zisserman (2003), "Video Google"; Jégou, Douze and Schmid (2011), "Product
quantization for nearest neighbor search" (its inverted file).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from wbc_jax.leakage.fingerprints import mirror
from wbc_jax.reporting.examples import evenly_spread

MOST_CANDIDATES = 10  # of a picture that are compared in full
RADIUS = 120.0  # of similar descriptors; 6 of 10 points of two copies are nearer
POINTS = 300  # of a picture that are looked up, spread over all of them
_PROBED = 4  # cells looked through for a descriptor
_CELLS = 1.2  # times the root of the number of descriptors: finding and searching take equal time
_ROUNDS = 3  # of k-means; rough cells are good enough
_SAMPLE = 40  # descriptors of each cell from which its centre is found
_QUERIES = 512  # pictures whose votes are counted at a time
_ROWS = 4096  # of a block of distances

Descriptors = UInt8[np.ndarray, "_ 128"]


class DescriptorIndex:
    """The key points of many pictures by what they look like."""

    def __init__(self, pictures: Sequence[Descriptors]) -> None:
        """Sorts descriptors into cells.

        Args:
            pictures: descriptors of each.
        """
        self._num_pictures = len(pictures)
        chosen = [spread(descriptors, POINTS) for descriptors in pictures]
        descriptors = np.concatenate([np.zeros((0, 128), np.uint8), *chosen])
        owners = np.repeat(np.arange(len(chosen)), [len(some) for some in chosen])
        self._centres = _find_centres(descriptors, 1 + int(_CELLS * len(descriptors) ** 0.5))
        cells = _nearest(descriptors, self._centres, 1)[:, 0]
        order = np.argsort(cells, kind="stable")
        self._descriptors, self._owners = descriptors[order], owners[order]
        self._starts = np.searchsorted(cells[order], np.arange(len(self._centres) + 1))

    def candidates(self, queries: Sequence[Descriptors]) -> Iterator[list[int]]:
        """Yields, for each picture, which of the gallery it or its mirror image votes for.

        Args:
            queries: descriptors of each.

        Yields:
            Positions in the gallery, those with most votes first.
        """
        for start in range(0, len(queries), _QUERIES):
            some = [spread(one, POINTS) for one in queries[start : start + _QUERIES]]
            mirrored = self._votes([mirror(one) for one in some])
            # A cell looks much like its mirror image: which of both it is, the comparison tells.
            for votes in np.maximum(self._votes(some), mirrored):
                ranked = np.argsort(-votes, kind="stable")
                yield ranked[votes[ranked] > 0].tolist()

    def _votes(self, queries: Sequence[Descriptors]) -> Float32[np.ndarray, "q g"]:
        """Returns how much each picture's points speak for each of the gallery's."""
        votes = np.zeros((len(queries), self._num_pictures), np.float32)
        descriptors = np.concatenate([np.zeros((0, 128), np.uint8), *queries])
        owners = np.repeat(np.arange(len(queries)), [len(one) for one in queries])
        probed = _nearest(descriptors, self._centres, _PROBED).ravel()
        order = np.argsort(probed, kind="stable")
        starts = np.searchsorted(probed[order], np.arange(len(self._centres) + 1))
        per_descriptor = min(_PROBED, len(self._centres))
        for cell, (first, last) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
            rows = order[starts[cell] : starts[cell + 1]] // per_descriptor
            for begin in range(0, len(rows), _ROWS):
                block = rows[begin : begin + _ROWS]
                similar = _similar(descriptors[block], self._descriptors[first:last])
                # One vote of a point for a picture, however many of its points are similar.
                pairs = similar[0] * self._num_pictures + self._owners[first:last][similar[1]]
                voter, voted = np.divmod(np.unique(pairs), self._num_pictures)
                share = 1 / np.bincount(voter, minlength=1)[voter]
                np.add.at(votes, (owners[block][voter], voted), share.astype(np.float32))
        return votes


def spread(descriptors: Descriptors, count: int) -> Descriptors:
    """Returns at most `count` of a picture's descriptors, evenly spread in their order."""
    if len(descriptors) <= count:
        return descriptors
    return descriptors[evenly_spread(len(descriptors), count)]


def _similar(
    ours: Descriptors, theirs: Descriptors
) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """Returns the pairs of descriptors that are nearer than `RADIUS`."""
    first, second = ours.astype(np.float32), theirs.astype(np.float32)
    # |a - b|^2 < r^2 as a.b > (|a|^2 + |b|^2 - r^2) / 2: one product and one comparison.
    least = (second**2).sum(1) / 2 - np.float32(RADIUS**2 / 2)
    products = first @ second.T
    products -= least
    rows, columns = np.nonzero(products > (first**2).sum(1, keepdims=True) / 2)
    return rows, columns


def _find_centres(descriptors: Descriptors, count: int) -> Float32[np.ndarray, "c 128"]:
    """Returns the centres of cells, whole numbers; by k-means from descriptors evenly spread."""
    sample = spread(descriptors, _SAMPLE * count)
    centres = spread(sample, count).astype(np.float32)
    if not len(sample):
        return np.zeros((1, 128), np.float32)
    for _ in range(_ROUNDS):
        cells = _nearest(sample, centres, 1)[:, 0]
        order = np.argsort(cells, kind="stable")
        used, first = np.unique(cells[order], return_index=True)
        sums = np.add.reduceat(sample[order].astype(np.float64), first, axis=0)
        members = np.diff([*first, len(sample)])[:, None]
        centres[used] = np.rint(sums / members)
    return centres


def _nearest(
    descriptors: Descriptors, centres: Float32[np.ndarray, "c 128"], count: int
) -> Int64[np.ndarray, "n m"]:
    """Returns the nearest centres of each descriptor, as many as are wanted or there are."""
    count = min(count, len(centres))
    half_norms = (centres**2).sum(1) / 2
    found = np.zeros((len(descriptors), count), np.int64)
    for start in range(0, len(descriptors), _ROWS):
        block = slice(start, start + _ROWS)
        remote = half_norms - descriptors[block].astype(np.float32) @ centres.T
        for place in range(count):
            found[block, place] = remote.argmin(1)
            np.put_along_axis(remote, found[block, place, None], np.inf, axis=1)
    return found
