"""What an audit found, as plain data: for the terminal, the files and the page alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# How a pair was found -> what that means; the surest first.
HOW = {
    "source": "the data set names the same smear as the source of both",
    "scene": "the data set names the same place of the slide as the scene of both",
    "bytes": "the files are identical",
    "pixels": "the decoded pixels are identical",
    "hash": "the same picture as a whole: scaled, recompressed, flipped or turned by quarters",
    "keypoints": "the same picture under an affine map: turned, shifted, sheared, flipped, cut",
}


@dataclass(frozen=True)
class Pair:
    """Two pictures of different parts that show the same thing.

    Attributes:
        part_a: the first one's part.
        file_a: its path below that part, or its name in the data set.
        part_b: the second one's part.
        file_b: as `file_a`.
        how: a key of `HOW`.
        hash_distance: bits in which the perceptual hashes differ, of 64; None where not compared.
        inliers: key points that agree on the map between them; None where not compared.
        correlation: of gray values over what both show; None where not compared.
    """

    part_a: str
    file_a: str
    part_b: str
    file_b: str
    how: str
    hash_distance: int | None = None
    inliers: int | None = None
    correlation: float | None = None

    @property
    def ends(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Part and file of both pictures."""
        return (self.part_a, self.file_a), (self.part_b, self.file_b)

    @property
    def order(self) -> tuple[int, int, float, str, str, str, str]:
        """What pairs are sorted by: the surest first, then by name."""
        rank = tuple(HOW).index(self.how)
        sureness = (-(self.inliers or 0), -(self.correlation or 0.0))
        return (rank, *sureness, *self.ends[0], *self.ends[1])


@dataclass(frozen=True)
class Group:
    """Pictures of several parts that are joined by pairs: copies of one smear, as a rule.

    Attributes:
        name: the scene; where none is known, a number from 1.
        counts: part -> how many pictures of it belong to the group.
        pair: the surest one.
    """

    name: str
    counts: Mapping[str, int]
    pair: Pair


@dataclass(frozen=True)
class Findings:
    """What an audit found.

    Attributes:
        title: what was audited.
        parts: part -> number of its pictures that were compared.
        twins: part -> how many of them are in a pair.
        pairs: the surest first.
        groups: in the order of their surest pairs.
        unreadable: (file, reason) of what could not be read.
        notes: what else a reader must know.
        num_smears: how many smears are on two sides by the data set's own word; None where it
            was not asked.
    """

    title: str
    parts: Mapping[str, int]
    twins: Mapping[str, int]
    pairs: Sequence[Pair]
    groups: Sequence[Group]
    unreadable: Sequence[tuple[str, str]]
    notes: Sequence[str]
    num_smears: int | None = None

    @property
    def headline(self) -> str:
        """How much is on two sides."""
        count = len(self.groups)
        groups = f"{count:,} group{'' if count == 1 else 's'} of like pictures on two sides"
        if self.num_smears is None:
            return groups
        return f"{self.num_smears:,} smear{'' if self.num_smears == 1 else 's'}, {groups}"

    @property
    def counts_by_how(self) -> dict[str, int]:
        """How many pairs were found in each way."""
        return {how: sum(pair.how == how for pair in self.pairs) for how in HOW}
