"""The control: what is taken for a copy's original where the true one is not among the candidates.

    among_train(place, recovered, scenes, processes=2)      # copies of TEST, originals of TRAIN

By key points alone, with the same thresholds: that is weaker than the whole rule, so the control is
harder to pass. Nothing should be found then but photographs of the same place.
"""

import functools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from wbc_jax.leakage import alignment, originals, recovery
from wbc_jax.leakage.originals import CLASSES
from wbc_jax.leakage.recovery import Recovered
from wbc_jax.leakage.workers import in_order

SAMPLE = 400  # copies drawn for the comparison with other classes
_SEED = 0

Recoveries = Mapping[str, Recovered]


def among_train(
    place: Path, recovered: Recoveries, scenes: Mapping[str, str], *, processes: int
) -> dict[str, Any]:
    """Compares every copy of TEST with all originals of TRAIN of its class."""
    files = [file for file in recovered if file.startswith("TEST/")]
    return _strangers(
        place,
        recovered,
        scenes,
        {label: (("TRAIN", label),) for label in CLASSES},
        files,
        processes=processes,
    )


def among_other_classes(
    place: Path, recovered: Recoveries, scenes: Mapping[str, str], *, processes: int
) -> dict[str, Any]:
    """Compares a sample of copies with all originals of the other classes, of both splits."""
    files = sorted(file for file in recovered if "_SIMPLE" not in file)
    rng = np.random.default_rng(_SEED)
    sample = rng.choice(len(files), min(SAMPLE, len(files)), replace=False)
    return _strangers(
        place,
        recovered,
        scenes,
        {
            label: tuple((split, c) for split in ("TEST", "TRAIN") for c in CLASSES if c != label)
            for label in CLASSES
        },
        sorted(files[i] for i in sample),
        processes=processes,
    )


_Kinds = tuple[tuple[str, str], ...]


def _strangers(
    place: Path,
    recovered: Recoveries,
    scenes: Mapping[str, str],
    kinds: Mapping[str, _Kinds],
    files: Sequence[str],
    *,
    processes: int,
) -> dict[str, Any]:
    """Counts what the rule takes for the original where the original is not among the candidates.

    Args:
        place: folder or zip with the copies and the originals.
        recovered: by file.
        scenes: original -> scene.
        kinds: a copy's class -> splits and classes of the originals it is compared with.
        files: the copies.
        processes: how many work at once.
    """
    frozen = tuple(sorted(scenes.items()))
    tasks = [
        (place, frozen, kinds[label], chunk)
        for label in CLASSES
        for chunk in recovery.chunks([file for file in files if file.split("/")[1] == label])
    ]
    found: list[Recovered] = []
    with tqdm(total=len(files), desc="checks", unit=" files", disable=None) as bar:
        for strangers in in_order(_look_among_strangers, tasks, processes=processes):
            found += strangers
            bar.update(len(strangers))
    related: list[Recovered] = []
    unrelated: list[Recovered] = []
    for one in found:
        same = _scene(recovered[one.file], scenes) == _scene(one, scenes)
        (related if same else unrelated).append(one)
    pairs = Counter((recovered[one.file].best, one.best) for one in related if _certain(one))
    return {
        "copies": len(found),
        "largest_of_other_scenes": max((one.inliers for one in unrelated), default=0),
        "certain_of_other_scenes": [one.file for one in unrelated if _certain(one)],
        "certain_of_own_scene": sum(pairs.values()),
        "own_scene_pairs": [[*pair, count] for pair, count in sorted(pairs.items())],
        "better_than_own": _better_than_own(place, recovered, related),
    }


def _certain(found: Recovered) -> bool:
    return recovery.is_certain(found.inliers, found.runner_up)


def _scene(found: Recovered, scenes: Mapping[str, str]) -> str:
    return scenes.get(found.best, found.best)


def _better_than_own(
    place: Path, recovered: Recoveries, strangers: Sequence[Recovered]
) -> list[str]:
    """Returns the copies that agree with another original better than with the recovered one."""
    copies, tree = recovery.find_copies(place), originals.find_originals(place)
    better = []
    for one in strangers:
        own = recovered[one.file]
        if own.matrix is None or not own.resolved:
            continue
        copy = originals.decode(copies.read(one.file), one.file)
        original = originals.read(tree, own.best)
        if one.over_frame >= alignment.frame_agreement(original, copy, own.matrix):
            better.append(one.file)
    return better


_Task = tuple[Path, tuple[tuple[str, str], ...], _Kinds, tuple[str, ...]]


def _look_among_strangers(task: _Task) -> list[Recovered]:
    place, scenes, kinds, files = task
    tree = recovery.find_copies(place)
    candidates = _candidates(place, scenes, kinds)
    return [
        recovery.recover_one(file, originals.decode(tree.read(file), file), candidates)
        for file in files
    ]


@functools.lru_cache(maxsize=1)
def _candidates(
    place: Path, scenes: tuple[tuple[str, str], ...], kinds: Collection[tuple[str, str]]
) -> recovery.Candidates:
    return recovery.candidates_for(place, kinds, dict(scenes))
