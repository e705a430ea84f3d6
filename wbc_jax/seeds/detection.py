"""Detectors by where they come from: the classical one, or a trained run.

detect = load_detector(None, cache_dir=cache)          # classical, published parameters
detect = load_detector(Path("runs/detector-bccd-seed0"), cache_dir=cache)
seeds = detect(picture)                                # uint8 [h, w, 3] -> Seeds
"""

from pathlib import Path

from wbc_jax.errors import UserError
from wbc_jax.seeds.seed_points import KINDS, Detector, Seeds
from wbc_jax.seeds.stand_in import find_white_cell

__all__ = ["KINDS", "Detector", "Seeds", "load_detector"]


def load_detector(run: Path | None, *, cache_dir: Path) -> Detector:
    """Returns the detector of a run, or the classical one.

    Args:
        run: directory of a trained detector; None: the classical detector with its published
            parameters, which needs no training.
        cache_dir: where prepared sets, arrays and kernels are kept.

    Raises:
        UserError: the directory is no run of a detector, or holds no checkpoint.
    """
    del cache_dir
    if run is None:
        return find_white_cell
    raise UserError(f"detector {run or 'classical'} is not built yet")
