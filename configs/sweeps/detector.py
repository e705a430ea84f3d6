"""What the parts of the detector's recipe bring: its loss, its width, its hills.

python launch.py --mode=sweep --sweep=configs/sweeps/detector.py                     # drawings
python launch.py --mode=sweep --sweep=configs/sweeps/detector.py:bccd_dev --data_dir=FOLDER_OF_BCCD
"""

from wbc_jax.sweeps.definition import Setting, Sweep


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.detector.PRESETS`."""
    config = f"configs/detector.py:{preset}"
    return Sweep(
        "What do the parts of the detector's recipe bring?",
        (
            Setting(config, name="the recipe"),
            Setting(config, {"train.loss": "cross_entropy"}, "cross-entropy"),
            Setting(config, {"model.stage_features": (8, 16, 32, 64, 64)}, "half as wide"),
            Setting(config, {"detection.spread": 0.2}, "narrower hills"),
        ),
        reference="the recipe",
    )
