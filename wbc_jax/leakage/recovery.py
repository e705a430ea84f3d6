"""Finds the original of every augmented copy, and how the copy lies over it.

    recovered = recover(place, scenes, processes=2, files=files)      # file -> Recovered

A copy is compared with every original of its split and class, plain and mirrored. What is left
unresolved is tried again with more and fainter key points, by the same rule. The result is the
same for any number of processes.
"""

import functools
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from tqdm import tqdm

from wbc_jax.datasets.blood_cells import source
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.errors import UserError
from wbc_jax.leakage import alignment, originals
from wbc_jax.leakage.keypoints import EFFORTS, BestTwo, Effort, Gallery, detect
from wbc_jax.leakage.workers import in_order

LEAST_INLIERS = 10  # of a resolved copy
LEAST_LEAD = 2  # times the runner-up's inliers
LEAST_CORRELATION = 0.9  # of copy and warped original over their common area
_CHUNK = 25  # copies a task: a few seconds

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recovered:
    """What was found for a copy.

    Attributes:
        file: path below `images`.
        best: the best original's name; empty where nothing was found at all.
        inliers: key points that agree on its map.
        runner_up: most inliers of an original of another scene.
        correlation: of the copy and the warped original over their common area.
        matrix: from (x, y, 1) in the original scaled to 320x240 to (x, y) in the copy, pixels.
        over_frame: correlation over the whole frame, black fill included.
        second: the next best original of the same scene; empty where there is none.
        second_over_frame: its correlation over the whole frame; 0 where there is none.
        second_inliers: most inliers of any of them; 0 where there is none.
    """

    file: str
    best: str
    inliers: int
    runner_up: int
    correlation: float
    matrix: Float64[np.ndarray, "2 3"] | None
    over_frame: float = 0.0
    second: str = ""
    second_over_frame: float = 0.0
    second_inliers: int = 0

    @property
    def resolved(self) -> bool:
        """Whether the original is certain by the rule."""
        return is_certain(self.inliers, self.runner_up) and self.correlation > LEAST_CORRELATION


@dataclass(frozen=True)
class Candidates:
    """The originals a copy is compared with.

    Attributes:
        names: of each entry of the gallery: of the originals, then of their mirror images.
        images: by name, at the size of the copies.
        gallery: their key points.
    """

    names: Sequence[str]
    images: Mapping[str, UInt8[np.ndarray, "240 320 3"]]
    gallery: Gallery


def is_certain(inliers: int, runner_up: int) -> bool:
    """Whether the key points alone speak for one original."""
    return inliers >= LEAST_INLIERS and inliers >= LEAST_LEAD * runner_up


def make_candidates(
    images: Mapping[str, UInt8[np.ndarray, "240 320 3"]],
    scenes: Mapping[str, str],
    effort: Effort = EFFORTS[0],
) -> Candidates:
    """Describes originals, plain and mirrored.

    Args:
        images: name -> original.
        scenes: name -> scene, of those originals that overlap others; see overlaps.py.
        effort: how key points are looked for.
    """
    points = [
        detect(image, mirrored=mirrored, contrast=effort.contrast, enlarge=effort.enlarge)
        for mirrored in (False, True)
        for image in images.values()
    ]
    names = list(images) * 2
    return Candidates(names, images, Gallery(points, [scenes.get(name, name) for name in names]))


def look_up(
    copy: UInt8[np.ndarray, "h w 3"], candidates: Candidates, effort: Effort = EFFORTS[0]
) -> BestTwo:
    """Returns the best scene for a copy and its rival, by key points alone."""
    points = detect(copy, contrast=effort.contrast, enlarge=effort.enlarge)
    return candidates.gallery.best_two(points)


def recover_one(
    file: str,
    copy: UInt8[np.ndarray, "h w 3"],
    candidates: Candidates,
    effort: Effort = EFFORTS[0],
) -> Recovered:
    """Finds the original of one copy among candidates.

    The key points decide upon the scene. Where several originals show parts of it, the one is
    taken that agrees best over the whole frame: only the right one also ends where the copy does.

    Args:
        file: the copy's name.
        copy: the copy.
        candidates: what it is compared with, described with the same effort.
        effort: how key points are looked for.
    """
    found = look_up(copy, candidates, effort)
    fits: dict[str, Recovered] = {}
    for index, match in found.matches.items():  # most inliers first
        name = candidates.names[index]
        if match.matrix is None or name in fits:
            continue
        original = candidates.images[name]
        matrix = alignment.refine(original, copy, match.matrix)
        correlation = alignment.agreement(original, copy, matrix)
        over_frame = alignment.frame_agreement(original, copy, matrix)
        fits[name] = Recovered(
            file, name, match.inliers, found.runner_up, correlation, matrix, over_frame
        )
    ranked = sorted(fits.values(), key=lambda fit: (-fit.over_frame, fit.best))
    if not ranked:
        return Recovered(file, "", 0, found.runner_up, 0.0, None)
    if len(ranked) == 1:
        return ranked[0]
    return replace(
        ranked[0],
        second=ranked[1].best,
        second_over_frame=ranked[1].over_frame,
        second_inliers=max(fit.inliers for fit in ranked[1:]),
    )


def recover(
    place: Path, scenes: Mapping[str, str], *, processes: int, files: Sequence[str]
) -> dict[str, Recovered]:
    """Finds the originals of copies.

    Args:
        place: folder or zip with the copies and the originals.
        scenes: as for `make_candidates`.
        processes: how many work at once; of no influence on the result.
        files: paths of the copies below `images`; others than SPLIT/CLASS/NAME are passed over.

    Returns:
        File -> what was found, sorted by file.

    Raises:
        UserError: copies or originals are not there.
    """
    recovered: dict[str, Recovered] = {}
    frozen = tuple(sorted(scenes.items()))
    copies = sorted(filter(_is_copy, files))
    if passed_over := len(files) - len(copies):
        _log.warning("%d files are no SPLIT/CLASS/NAME and are passed over", passed_over)
    for effort in EFFORTS:
        left = [file for file in copies if not _is_resolved(recovered.get(file))]
        tasks = [(place, frozen, effort, chunk) for chunk in chunks(left)]
        with tqdm(total=len(left), desc="copies", unit=" files", disable=None) as bar:
            for results in in_order(_recover_chunk, tasks, processes=processes):
                for result in results:
                    if result.resolved or result.file not in recovered:
                        recovered[result.file] = result
                bar.update(len(results))
    return dict(sorted(recovered.items()))


def find_copies(place: Path) -> ImageTree:
    """Returns the tree of the copies, rooted at `images`.

    Raises:
        UserError: they are not there.
    """
    tree = source.find(place)
    if tree is None:
        raise UserError(
            f"blood_cells: no images in data_dir={place}; the builder's README.md says where to "
            "get them and where to put them"
        )
    return tree


def candidates_for(
    place: Path,
    kinds: Collection[tuple[str, str]],
    scenes: Mapping[str, str],
    effort: Effort = EFFORTS[0],
) -> Candidates:
    """Returns all originals of some splits and classes, described.

    Args:
        place: folder or zip with the originals.
        kinds: ("TRAIN" or "TEST", class in capitals).
        scenes: as for `make_candidates`.
        effort: how key points are looked for.
    """
    tree = originals.find_originals(place)
    divided = originals.division(originals.load_labels(tree), originals.names(tree))
    wanted = sorted(o.name for o in divided.values() if (o.split, o.label) in kinds)
    return make_candidates({name: originals.read(tree, name) for name in wanted}, scenes, effort)


_Task = tuple[Path, tuple[tuple[str, str], ...], Effort, tuple[str, ...]]


def _recover_chunk(task: _Task) -> list[Recovered]:
    place, scenes, effort, files = task
    tree = _copies(place)
    results = []
    for file in files:
        split, label, _ = file.split("/")
        kind = (split.removesuffix("_SIMPLE"), label)  # not augmented, but of the same originals
        candidates = _candidates(place, kind, scenes, effort)
        copy = originals.decode(tree.read(file), file)
        results.append(recover_one(file, copy, candidates, effort))
    return results


_copies = functools.lru_cache(maxsize=1)(find_copies)


@functools.lru_cache(maxsize=2)  # files are sorted by split and class
def _candidates(
    place: Path, kind: tuple[str, str], scenes: tuple[tuple[str, str], ...], effort: Effort
) -> Candidates:
    return candidates_for(place, [kind], dict(scenes), effort)


def _is_copy(file: str) -> bool:
    """Whether a path is SPLIT/CLASS/NAME of a known split and class: notes may lie beside them."""
    folders = file.split("/")[:-1]
    return len(folders) == 2 and folders[0] in source.SPLITS and folders[1] in originals.CLASSES


def _is_resolved(result: Recovered | None) -> bool:
    return result is not None and result.resolved


def chunks(files: Sequence[str]) -> list[tuple[str, ...]]:
    """Cuts a list of files into tasks of a few seconds."""
    return [tuple(files[start : start + _CHUNK]) for start in range(0, len(files), _CHUNK)]
