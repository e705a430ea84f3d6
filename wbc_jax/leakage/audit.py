"""Which pictures are on more than one side of a division: of a folder, or of a protocol's.

findings = audit_folder(Path("images"), wanted=("TRAIN", "TEST"))
findings = audit_division(
    {"train": train, "test": test}, read, title="paper", knows_copies=True
)
findings.pairs, findings.groups
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from wbc_jax.data.divisions import shared_smears
from wbc_jax.data.examples import Examples
from wbc_jax.datasets import bad_images, picture_names
from wbc_jax.datasets.bad_images import BadFile
from wbc_jax.datasets.catalog import UNRESOLVED
from wbc_jax.errors import UserError
from wbc_jax.leakage.comparison import View, look_at
from wbc_jax.leakage.fingerprints import Fingerprint, decode, shrink, take_fingerprints
from wbc_jax.leakage.picture_parts import Picture, open_parts
from wbc_jax.leakage.twins import TwinGallery, crowded, pair_up
from wbc_jax.printable import printable
from wbc_jax.reporting.audit_findings import Findings, Group, Pair

_KEPT = 1000  # views, at most 0.2 MB each

Read = Callable[[Picture], bytes]
Parts = Mapping[str, Sequence[Fingerprint]]


def audit_folder(
    place: Path, wanted: Sequence[str] = (), *, on_bad_image: str = "error"
) -> Findings:
    """Compares the parts of a folder or zip by the content of their pictures.

    Args:
        place: a folder, a zip, or a folder within a zip; its first folders are the parts.
        wanted: names of the parts to compare; none: all there are.
        on_bad_image: "error" refuses a folder with pictures that cannot be read, "skip" compares
            the others and lists these.

    Raises:
        UserError: there are not two parts with pictures, or some cannot be read.
    """
    bad_images.require_known(on_bad_image)
    parts = open_parts(place, wanted)
    pictures = [Picture(part, file) for part, files in parts.files.items() for file in files]
    fingerprints, unreadable = take_fingerprints(pictures, parts.read)
    if unreadable and on_bad_image == "error":
        bad = [BadFile(printable(f"{p.part}/{p.file}"), why) for p, why in unreadable.items()]
        raise UserError(
            f"input={place}: {len(bad)} of its pictures cannot be read: {bad_images.summary(bad)}. "
            "Mend them or take them away, or add --on_bad_image=skip to compare the others"
        )
    by_part = _by_part(fingerprints)
    taken = {one.picture for one in fingerprints} | unreadable.keys()
    notes = picture_names.passed_over(p.file for p in pictures if p not in taken)
    if len(by_part) < 2:
        raise UserError(
            f"input={place}: of its folders {', '.join(parts.files)} fewer than two hold a picture "
            f"that can be read, so there is nothing to compare. {' '.join(notes)}".rstrip()
        )
    notes += picture_names.beside(parts.beside)
    notes += [
        f"{part} holds no picture that can be read." for part in parts.files if part not in by_part
    ]
    pairs = _compare(by_part, parts.read)
    notes += _note_of_crowded(pairs)
    return _findings(
        f"input {place}",
        {part: len(some) for part, some in by_part.items()},
        [_in_order(pair, list(by_part)) for pair in pairs],
        unreadable,
        notes,
    )


def audit_division(
    parts: Mapping[str, Examples], read: Callable[[], Read], title: str, *, knows_copies: bool
) -> Findings:
    """Compares the parts of a division by the smears and places that their examples show.

    Copies of unknown smears are compared with all pictures of the other parts by content.

    Args:
        parts: name -> examples; empty ones are left out.
        read: called only where there are such copies; returns what reads a file's bytes.
        title: what was divided.
        knows_copies: whether examples of one smear have the same source; else all of them count as
            of unknown smears.
    """
    parts = {name: examples for name, examples in parts.items() if len(examples.label)}
    pairs, scenes = _pairs_by_source(parts)
    unknown = {
        name: set(
            examples.filename[~np.array(knows_copies) | (examples.source == UNRESOLVED)].tolist()
        )
        for name, examples in parts.items()
    }
    unreadable: dict[Picture, str] = {}
    notes = []
    if count := sum(map(len, unknown.values())):
        notes.append(
            f"Pictures whose smear, or whose copies, are not recorded: {count:,}. They were "
            "compared with all pictures of the other parts by content."
        )
        by_content, unreadable = _pairs_of_unknown(parts, unknown, read())
        notes += _note_of_crowded(by_content)
        pairs += [_in_order(pair, list(parts)) for pair in by_content]
    sizes = {name: len(examples.label) for name, examples in parts.items()}
    findings = _findings(title, sizes, pairs, unreadable, notes, scenes)
    smears = shared_smears(*(examples.source for examples in parts.values()))
    return replace(findings, num_smears=len(smears))


def compare_parts(parts: Parts, read: Read) -> list[Pair]:
    """Returns the pairs of every two parts; pictures of one part are not compared.

    Args:
        parts: name -> fingerprints.
        read: returns a file's bytes.
    """
    return [_in_order(pair, list(parts)) for pair in _compare(parts, read)]


def _compare(parts: Parts, read: Read) -> list[Pair]:
    """Returns the pairs of every two parts, the picture of the smaller one first."""
    see = _viewer(read)
    by_size = sorted(parts, key=lambda part: len(parts[part]))  # the larger one is indexed
    pairs = []
    for place, name in enumerate(by_size[1:], start=1):
        gallery = TwinGallery(parts[name], see)
        for other in by_size[:place]:
            pairs += gallery.twins(parts[other])
    return pairs


def _note_of_crowded(pairs: Iterable[Pair]) -> list[str]:
    """Returns what a reader must know where `MOST_CANDIDATES` were too few, pairs as found."""
    count = len(crowded(pairs))
    if not count:
        return []
    have = "1 picture has" if count == 1 else f"{count:,} pictures have"
    return [f"{have} a twin in every candidate compared: there may be more than are listed."]


def _pairs_by_source(parts: Mapping[str, Examples]) -> tuple[list[Pair], dict[Picture, str]]:
    """Returns the pairs of pictures of one smear or of one place, and the places in a pair."""
    shared = set(shared_smears(*(examples.scene for examples in parts.values())))
    copies: dict[str, dict[tuple[str, str], list[Picture]]] = {}  # scene -> (part, smear) -> ...
    scenes: dict[Picture, str] = {}
    for part, examples in parts.items():
        columns = (examples.filename, examples.source, examples.scene)
        for file, smear, scene in zip(*(column.tolist() for column in columns), strict=True):
            if scene in shared:
                by_smear = copies.setdefault(scene, defaultdict(list))
                by_smear[part, smear].append(Picture(part, file))
                scenes[Picture(part, file)] = scene
    pairs = [
        Pair(*first, *second, "source" if smear == other_smear else "scene")
        for by_smear in copies.values()
        for ((part, smear), ours), ((other_part, other_smear), theirs) in combinations(
            by_smear.items(), 2
        )
        if part != other_part
        for first, second in pair_up(ours, theirs)
    ]
    return pairs, scenes


def _pairs_of_unknown(
    parts: Mapping[str, Examples], unknown: Mapping[str, set[str]], read: Read
) -> tuple[list[Pair], dict[Picture, str]]:
    """Returns the pairs of pictures without a known source, these first, and what is unreadable."""
    needed = [
        Picture(part, file)
        for part, examples in parts.items()
        for file in examples.filename.tolist()
        if file in unknown[part] or any(unknown[other] for other in parts if other != part)
    ]
    fingerprints, unreadable = take_fingerprints(needed, read)
    by_part = _by_part(fingerprints)
    see = _viewer(read)
    pairs: dict[frozenset[Picture], Pair] = {}
    for name, some in by_part.items():
        queries = [
            one
            for other, theirs in by_part.items()
            if other != name
            for one in theirs
            if one.picture.file in unknown[other]
        ]
        if not queries:
            continue
        for pair in TwinGallery(some, see).twins(queries):
            pairs.setdefault(frozenset(_ends(pair)), pair)
    return list(pairs.values()), unreadable


def _findings(
    title: str,
    parts: Mapping[str, int],
    pairs: Iterable[Pair],
    unreadable: Mapping[Picture, str],
    notes: Sequence[str],
    scenes: Mapping[Picture, str] | None = None,
) -> Findings:
    pairs = sorted(pairs, key=lambda pair: pair.order)
    twins = {picture for pair in pairs for picture in _ends(pair)}
    return Findings(
        title=title,
        parts=parts,
        twins={part: sum(picture.part == part for picture in twins) for part in parts},
        pairs=pairs,
        groups=_groups(pairs, scenes or {}),
        unreadable=[(f"{where.part}/{where.file}", why) for where, why in unreadable.items()],
        notes=notes,
    )


def _groups(pairs: Sequence[Pair], scenes: Mapping[Picture, str]) -> list[Group]:
    """Joins pictures that pairs connect; a group is named by its place, else by a number."""
    if not pairs:
        return []
    pictures = sorted({picture for pair in pairs for picture in _ends(pair)})
    number = {picture: place for place, picture in enumerate(pictures)}
    rows, columns = zip(*([number[end] for end in _ends(pair)] for pair in pairs), strict=True)
    joined = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(pictures),) * 2)
    _, components = connected_components(joined, directed=False)
    members = defaultdict(list)
    for picture, component in zip(pictures, components.tolist(), strict=True):
        members[component].append(picture)
    surest: dict[int, Pair] = {}  # pairs come with the surest first
    for pair in pairs:
        surest.setdefault(int(components[number[_ends(pair)[0]]]), pair)
    groups = []
    for place, (component, pair) in enumerate(surest.items(), start=1):
        counts: dict[str, int] = defaultdict(int)
        for picture in members[component]:
            counts[picture.part] += 1
        named = [scenes[picture] for picture in members[component] if picture in scenes]
        groups.append(Group(named[0] if named else str(place), dict(counts), pair))
    return groups


def _by_part(fingerprints: Sequence[Fingerprint]) -> dict[str, list[Fingerprint]]:
    by_part = defaultdict(list)
    for one in fingerprints:
        by_part[one.picture.part].append(one)
    return dict(by_part)


def _viewer(read: Read) -> Callable[[Picture], View]:
    """Returns what reads a picture as its key points were found in it; the last ones are kept."""

    @lru_cache(maxsize=_KEPT)
    def see(picture: Picture) -> View:
        return look_at(shrink(decode(picture.file, read(picture))))

    return see


def _ends(pair: Pair) -> tuple[Picture, Picture]:
    return Picture(pair.part_a, pair.file_a), Picture(pair.part_b, pair.file_b)


def _in_order(pair: Pair, order: Sequence[str]) -> Pair:
    """Returns the pair with the picture of the earlier part first."""
    if order.index(pair.part_a) <= order.index(pair.part_b):
        return pair
    first, second = _ends(pair)
    return Pair(*second, *first, pair.how, pair.hash_distance, pair.inliers, pair.correlation)
