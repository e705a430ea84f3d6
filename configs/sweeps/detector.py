"""What the detector's loss and its width bring.

python launch.py --mode=sweep --sweep=configs/sweeps/detector.py                     # drawings
python launch.py --mode=sweep --sweep=configs/sweeps/detector.py:bccd_dev --data_dir=FOLDER_OF_BCCD
"""

from wbc_jax.sweeps.definition import Setting, Sweep

# Each loss has scores of its own: these thresholds are the best of the focal loss over all folds.
_OF_FOCAL = {"detection.thresholds": (0.38, 0.2, 0.45)}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.detector.PRESETS`."""
    config = f"configs/detector.py:{preset}"
    return Sweep(
        "What do the detector's loss and its width bring?",
        (
            Setting(config, name="quality focal loss"),
            Setting(config, {"train.loss": "focal", **_OF_FOCAL}, "focal loss"),
            Setting(config, {"train.loss": "cross_entropy", **_OF_FOCAL}, "cross-entropy"),
            Setting(config, {"model.stage_features": (8, 16, 32, 64, 64)}, "half as wide"),
        ),
        reference="quality focal loss",
    )
