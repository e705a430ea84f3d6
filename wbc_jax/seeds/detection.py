"""Detectors by where they come from: the classical one, or a trained run.

detect = load_detector(None, cache_dir=cache)          # classical, published parameters
detect = load_detector(Path("runs/detector-bccd-seed0"), cache_dir=cache)
seeds = detect(picture)                                # uint8 [h, w, 3] -> Seeds
"""

import os
from pathlib import Path

from wbc_jax.seeds.classical import ClassicalDetector
from wbc_jax.seeds.seed_points import KINDS, Detector, Seeds

__all__ = ["KINDS", "Detector", "Seeds", "load_detector"]


def load_detector(run: Path | None, *, cache_dir: Path) -> Detector:
    """Returns the detector of a run, or the classical one.

    Args:
        run: directory of a trained detector; None: the classical detector with its published
            parameters, which needs no training.
        cache_dir: where kernels compiled for this machine are kept.

    Raises:
        UserError: the directory is no finished run of a detector, its files are damaged, or an
            earlier version wrote it.
    """
    if run is None:
        return ClassicalDetector()
    os.environ.setdefault("WBC_CACHE_DIR", str(cache_dir))
    # Here, so that the classical detector loads no library that computes.
    from wbc_jax.seeds.learned import load_learned

    return load_learned(run)
