"""What speaks for the recovered sources, counted: each check could have failed.

check(place, recovered, scenes, processes=2)        # plain data, for JSON and for the tables
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from wbc_jax.leakage import originals, recovery, strangers
from wbc_jax.leakage.originals import CLASSES, SIZE, Original
from wbc_jax.leakage.recovery import Recovered

Recoveries = Mapping[str, Recovered]


def check(
    place: Path, recovered: Recoveries, scenes: Mapping[str, str], *, processes: int
) -> dict[str, Any]:
    """Counts what speaks for and against the sources.

    Args:
        place: folder or zip with the copies and the originals.
        recovered: by file.
        scenes: as for `recovery.make_candidates`.
        processes: how many work at once; of no influence on the result.
    """
    tree = originals.find_originals(place)
    divided = originals.division(originals.load_labels(tree), originals.names(tree))
    return {
        "resolved": resolved_shares(recovered),
        "unresolved": [file for file, found in recovered.items() if not found.resolved],
        "copies_per_original": copies_per_original(recovered, divided),
        "test_simple": simple_repeats(recovered, divided),
        "augmentation": augmentation(recovered),
        "within_scenes": within_scenes(recovered),
        "among_train": strangers.among_train(place, recovered, scenes, processes=processes),
        "among_other_classes": strangers.among_other_classes(
            place, recovered, scenes, processes=processes
        ),
    }


def resolved_shares(recovered: Recoveries) -> dict[str, dict[str, Any]]:
    """Returns, by split and class, how many are resolved and by how much."""
    kinds: dict[str, list[Recovered]] = defaultdict(list)
    for file, found in recovered.items():
        kinds[file.rpartition("/")[0]].append(found)
    return {
        kind: {
            "copies": len(all_found),
            "resolved": sum(found.resolved for found in all_found),
            "inliers": _spread([found.inliers for found in all_found]),
            "runner_up": _spread([found.runner_up for found in all_found]),
            "correlation": _spread([found.correlation for found in all_found]),
        }
        for kind, all_found in sorted(kinds.items())
    }


def copies_per_original(
    recovered: Recoveries, divided: Mapping[str, Original]
) -> dict[str, dict[str, Any]]:
    """Returns, by split and class, how the copies spread over the originals that there are."""
    counts = Counter(
        found.best for file, found in recovered.items() if found.resolved and "_SIMPLE" not in file
    )
    spread = {}
    for split in ("TEST", "TRAIN"):
        for label in CLASSES:
            names = [o.name for o in divided.values() if (o.split, o.label) == (split, label)]
            per_original = [counts[name] for name in names]
            spread[f"{split}/{label}"] = {
                "originals": len(names),
                "without_copies": sorted(name for name in names if not counts[name]),
                "copies": _spread(per_original),
            }
    return spread


def simple_repeats(recovered: Recoveries, divided: Mapping[str, Original]) -> dict[str, Any]:
    """Returns how TEST_SIMPLE, which is not augmented, compares with the originals of TEST."""
    found = [found for file, found in recovered.items() if file.startswith("TEST_SIMPLE/")]
    expected = Counter(o.name for o in divided.values() if o.split == "TEST")
    counts = Counter(one.best for one in found if one.resolved)
    shifts = [np.abs(one.matrix - np.eye(2, 3)).max() for one in found if one.matrix is not None]
    return {
        "files": len(found),
        "originals": len(counts),
        "repeated": sorted((counts - expected).elements()),
        "missing": sorted((expected - counts).elements()),
        "largest_distance_from_identity": float(max(shifts, default=0.0)),
    }


def augmentation(recovered: Recoveries) -> dict[str, Any]:
    """Returns the distribution of the maps' turns, shears, shifts and scales."""
    parts = [
        decompose(found.matrix)
        for file, found in recovered.items()
        if found.resolved and found.matrix is not None and "_SIMPLE" not in file
    ]
    if not parts:
        return {}
    spread = {name: _spread([part[name] for part in parts], decimals=4) for name in parts[0]}
    flips = Counter((part["flip_x"], part["flip_y"]) for part in parts)
    return {**spread, "flips": {f"{x:.0f}{y:.0f}": n for (x, y), n in sorted(flips.items())}}


def decompose(matrix: Float64[np.ndarray, "2 3"]) -> dict[str, float]:
    """Takes a map apart as Keras composes it: copy -> flips -> shear -> shift -> turn -> original.

    Args:
        matrix: from the original to the copy, pixels.

    Returns:
        Turn (degrees), shear (radians), shift (share of height and of width), scale along both
        axes (1 in Keras), flips (0 or 1) along x and y.
    """
    # Keras counts (row, column) from the middle and asks where a pixel of the copy comes from.
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    back = swap @ np.linalg.inv(matrix[:, :2]) @ swap
    flip_x = float(np.linalg.det(back) < 0)
    linear = back @ np.diag([1.0, 1.0 - 2.0 * flip_x])
    flip_y = float(linear[0, 0] < 0)  # no turn reaches 90 degrees: it is both flips, or their lack
    if flip_y:
        linear, flip_x = -linear, 1.0 - flip_x
    turn = np.arctan2(linear[1, 0], linear[0, 0])
    untwist = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    sheared = untwist @ linear[:, 1]  # (-sin, cos) of the shear angle
    middle = (np.array(SIZE[::-1]) - 1) / 2
    # The flips come after the map, about the frame's middle, which they leave where it is.
    origin = swap @ (np.linalg.inv(matrix[:, :2]) @ (swap @ middle - matrix[:, 2]))
    shift = untwist @ (origin - middle) / SIZE[::-1]
    return {
        "turn": float(np.rad2deg(turn)),
        "shear": float(np.arctan2(-sheared[0], sheared[1])),
        "shift_y": float(shift[0]),
        "shift_x": float(shift[1]),
        "scale_y": float(np.hypot(linear[0, 0], linear[1, 0])),
        "scale_x": float(np.hypot(*sheared)),
        "flip_x": flip_x,
        "flip_y": flip_y,
    }


def within_scenes(recovered: Recoveries) -> dict[str, Any]:
    """Returns how clearly the original was told from others of its class that overlap it."""
    leads = [
        (found.over_frame - found.second_over_frame, file)
        for file, found in recovered.items()
        if found.second and "_SIMPLE" not in file
    ]
    if not leads:
        return {"copies": 0}
    return {
        "copies": len(leads),
        "lead_over_frame": _spread([lead for lead, _ in leads], decimals=4),
        "resolved_without_scenes": sum(
            found.inliers >= recovery.LEAST_LEAD * found.second_inliers
            for found in recovered.values()
            if found.second and "_SIMPLE" not in found.file
        ),
        "closest": min(leads)[1],
    }


def _spread(values: Sequence[float], *, decimals: int = 3) -> dict[str, float]:
    if not values:
        return {}
    low, middle, high = np.percentile(values, [0, 50, 100]).round(decimals).tolist()
    return {"min": low, "median": middle, "max": high}
