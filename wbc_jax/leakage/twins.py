"""Pairs of pictures of two parts that show the same thing, found by content alone.

    gallery = TwinGallery(fingerprints_of_train, see)
    pairs = gallery.twins(fingerprints_of_test)

A picture is compared with those whose bytes or pixels are identical, with all that are near by
perceptual hash in any flip or quarter turn, and with the ten others that its key points vote for
most. What is near is only a candidate: a pair counts where the gray values of both agree under the
map between them. There is no rule against a runner-up here: two copies of one smear are both right,
and no rivals.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, product
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from wbc_jax.leakage.comparison import View, match_agreement, turned_agreement
from wbc_jax.leakage.fingerprints import Fingerprint
from wbc_jax.leakage.keypoints import Gallery
from wbc_jax.leakage.perceptual_hash import best_orientation, distances
from wbc_jax.leakage.picture_parts import Picture
from wbc_jax.leakage.shortlist import MOST_CANDIDATES, DescriptorIndex
from wbc_jax.reporting.audit_findings import Pair

LEAST_INLIERS = 10  # as for a copy and its original, see docs/provenance.md
LEAST_CORRELATION = 0.9  # likewise
MOST_BITS = 8  # of 64 in which hashes of candidates differ; see docs/audit.md
MOST_NEAR = 300  # such candidates; as a rule only pictures of next to nothing have more
_MOST_PRODUCT = 100_000  # pairs listed of pictures that are all the same
_ROWS = 64  # of a block of hash distances


_Thing = TypeVar("_Thing")

_log = logging.getLogger(__name__)


class TwinGallery:
    """The pictures of one part, ready to be compared with those of others."""

    def __init__(self, fingerprints: Sequence[Fingerprint], see: Callable[[Picture], View]) -> None:
        """Sorts pictures by what they look like.

        Args:
            fingerprints: of the part.
            see: returns what is compared of a picture.
        """
        self._fingerprints = fingerprints
        self._see = see
        self._hashes = np.array([one.hashes for one in fingerprints], np.uint64).reshape(-1, 8)
        total = sum(len(one.descriptors) for one in fingerprints)
        _log.info("sorting %d key points of %d pictures", total, len(fingerprints))
        self._index = DescriptorIndex([one.descriptors for one in fingerprints])

    def twins(self, queries: Sequence[Fingerprint]) -> list[Pair]:
        """Returns the pairs of the queries' part and this one, the query's picture first.

        Of pictures that are alike but not identical, at most `MOST_NEAR` are listed with each query
        by hash and `MOST_CANDIDATES` by key points; see `crowded`.

        Args:
            queries: pictures of another part.
        """
        pairs = self._identical(queries)
        done: dict[Picture, set[Picture]] = defaultdict(set)
        for pair in pairs:
            done[Picture(*pair.ends[0])].add(Picture(*pair.ends[1]))
        votes = self._index.candidates([query.descriptors for query in queries])
        shown = tqdm(votes, total=len(queries), desc="comparing", delay=2, disable=None)
        for query, near, voted in zip(queries, self._near(queries), shown, strict=True):
            known = done.get(query.picture, set())
            found = self._by_hash(query, [j for j in near if self._picture(j) not in known])
            known = known | {self._picture(j) for j in found}
            others = (j for j in voted if self._picture(j) not in known)
            candidates = list(islice(others, MOST_CANDIDATES))
            pairs += [*found.values(), *self._by_keypoints(query, candidates)]
        return pairs

    def _picture(self, position: int) -> Picture:
        return self._fingerprints[position].picture

    def _identical(self, queries: Sequence[Fingerprint]) -> list[Pair]:
        pairs: dict[tuple[Picture, Picture], Pair] = {}
        for how in ("bytes", "pixels"):
            sides: list[defaultdict[bytes, list[Fingerprint]]] = []
            for fingerprints in (queries, self._fingerprints):
                side = defaultdict(list)
                for one in fingerprints:
                    side[one.file_digest if how == "bytes" else one.pixel_digest].append(one)
                sides.append(side)
            for digest in sides[0].keys() & sides[1].keys():
                for ours, theirs in pair_up(sides[0][digest], sides[1][digest]):
                    key = (ours.picture, theirs.picture)
                    pairs.setdefault(key, Pair(*ours.picture, *theirs.picture, how, 0))
        return [pairs[key] for key in sorted(pairs)]

    def _near(self, queries: Sequence[Fingerprint]) -> Iterator[list[int]]:
        """Yields each query's nearest pictures by hash, as positions."""
        for start in range(0, len(queries), _ROWS):
            some = np.array([query.hashes[:1] for query in queries[start : start + _ROWS]])
            for bits in distances(some, self._hashes):
                near = np.flatnonzero(bits <= MOST_BITS)
                yield near[np.argsort(bits[near], kind="stable")][:MOST_NEAR].tolist()

    def _by_hash(self, query: Fingerprint, near: Sequence[int]) -> dict[int, Pair]:
        found = {}
        for position in near:
            other = self._fingerprints[position]
            orientation = best_orientation(query.hashes, other.hashes)
            correlation = turned_agreement(
                self._see(query.picture), self._see(other.picture), orientation
            )
            if correlation > LEAST_CORRELATION:
                found[position] = self._pair(query, other, "hash", None, correlation)
        return found

    def _by_keypoints(self, query: Fingerprint, candidates: Sequence[int]) -> Iterator[Pair]:
        if not candidates:
            return
        others = [self._fingerprints[position] for position in candidates]
        points = [one.keypoints(mirrored=mirrored) for one in others for mirrored in (False, True)]
        gallery = Gallery(points, groups=range(len(points)))
        matches = gallery.all_matches(query.keypoints(), at_least=LEAST_INLIERS)
        for place, other in enumerate(others):
            match = max(
                (matches[i] for i in (2 * place, 2 * place + 1) if i in matches),
                key=lambda match: match.inliers,
                default=None,
            )
            if match is None or match.matrix is None:
                continue
            correlation = match_agreement(
                self._see(other.picture), self._see(query.picture), match.matrix
            )
            if correlation > LEAST_CORRELATION:
                yield self._pair(query, other, "keypoints", match.inliers, correlation)

    def _pair(
        self, query: Fingerprint, other: Fingerprint, how: str, inliers: int | None, value: float
    ) -> Pair:
        bits = int(distances(query.hashes[None, :1], other.hashes[None])[0, 0])
        return Pair(*query.picture, *other.picture, how, bits, inliers, value)


def crowded(pairs: Iterable[Pair]) -> set[Picture]:
    """Returns the queries of which every candidate was a twin, so that there may be more.

    Args:
        pairs: as `TwinGallery.twins` returns them.
    """
    most = {"hash": MOST_NEAR, "keypoints": MOST_CANDIDATES}
    counts = Counter((pair.ends[0], pair.part_b, pair.how) for pair in pairs if pair.how in most)
    return {Picture(*query) for (query, _, how), count in counts.items() if count >= most[how]}


def pair_up(first: Sequence[_Thing], second: Sequence[_Thing]) -> list[tuple[_Thing, _Thing]]:
    """Returns all pairs of two lists of things that are all the same.

    Where that would be very many, each thing occurs at least once all the same.
    """
    if len(first) * len(second) <= _MOST_PRODUCT:
        return list(product(first, second))
    longest = max(len(first), len(second))
    return [(first[i % len(first)], second[i % len(second)]) for i in range(longest)]
