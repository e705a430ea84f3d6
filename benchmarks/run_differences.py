"""Whether two runs of one config ended with the same bits, whatever happened to them on the way.

for difference in run_differences(Path("runs/killed"), Path("runs/whole")):
    print(difference)
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wbc_jax import run_names

_TIMES = ("seconds", "wall_seconds")
_FILES = (run_names.PREDICTIONS, run_names.SMEAR_PREDICTIONS)


def run_differences(run: Path, expected: Path) -> list[str]:
    """Returns what differs between two finished runs, in words; nothing where they are the same.

    Compared bit for bit: weights, batch statistics, optimizer state, running means and the epoch's
    sums in the last checkpoint; the history without its times; predictions; final figures.

    Args:
        run: directory of a run.
        expected: of the run that it should equal.
    """
    if not (run / run_names.RESULTS).is_file():
        return ["results.json is missing"]
    leaves, wanted = read_leaves(run), read_leaves(expected)
    found = [f"{name} is only in one of them" for name in sorted(leaves.keys() ^ wanted.keys())]
    found += [
        f"{name} has other values"
        for name in sorted(leaves.keys() & wanted.keys())
        if leaves[name].tobytes() != wanted[name].tobytes()
    ]
    if read_history(run) != read_history(expected):
        found.append("metrics.jsonl has other figures")
    found += [
        f"{name} has other bytes"
        for name in _FILES
        if (run / name).read_bytes() != (expected / name).read_bytes()
    ]
    ours, theirs = (
        _without_times(json.loads((path / run_names.RESULTS).read_text(encoding="utf-8")))
        for path in (run, expected)
    )
    found += [f"results.json differs in {name}" for name in theirs if ours[name] != theirs[name]]
    return found


def read_leaves(workdir: Path) -> dict[str, np.ndarray]:
    """Reads a run's latest checkpoint by Orbax alone; returns every array by its path."""
    import orbax.checkpoint as ocp

    steps = [int(path.name) for path in (workdir / run_names.CHECKPOINTS).iterdir()]
    folder = workdir.absolute() / run_names.CHECKPOINTS / str(max(steps)) / "state"
    with ocp.PyTreeCheckpointer() as checkpointer:
        saved = checkpointer.metadata(folder).item_metadata.tree
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), saved)
        tree = checkpointer.restore(folder, restore_args=as_numpy)  # of any number of devices
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def read_history(workdir: Path) -> list[dict[str, Any]]:
    """Returns the history without its times."""
    lines = (workdir / run_names.METRICS).read_text(encoding="utf-8").splitlines()
    return [_without_times(json.loads(line)) for line in lines]


def _without_times(content: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in content.items() if name not in _TIMES}
    kept.pop("images_per_second", None)
    if "epochs" in kept:
        kept["epochs"] = [_without_times(epoch) for epoch in kept["epochs"]]
    return kept
