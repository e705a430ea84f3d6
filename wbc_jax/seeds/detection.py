"""Detectors by where they come from: the classical one, or a trained run.

detect = load_detector(None)                           # the classical one, untrained
detect = load_detector(Path("runs/detector-bccd-seed0"))
seeds = detect(picture)                                # uint8 [h, w, 3] -> Seeds
"""

from pathlib import Path

from wbc_jax.seeds.classical import ClassicalDetector
from wbc_jax.seeds.seed_points import Detector


def load_detector(run: Path | None) -> Detector:
    """Returns the detector of a run, or the classical one.

    Args:
        run: directory of a trained detector; None: the classical detector, which needs no
            training, with the parameters chosen on BCCD's train.

    Raises:
        UserError: the directory is no finished run of a detector, its files are damaged, or an
            earlier version wrote it.
    """
    if run is None:
        return ClassicalDetector()
    # Here, so that the classical detector loads no library that computes.
    from wbc_jax.seeds.learned import load_learned

    return load_learned(run)
