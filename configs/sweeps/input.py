"""What the plain CNN sees: gray with or without the paper's expansion, or colour; 32 to 224 pixels.

python launch.py --mode=sweep --sweep=configs/sweeps/input.py:official

224 pixels take about ten times as long as 50 (docs/performance.md).
"""

from wbc_jax.sweeps.definition import Setting, Sweep, grid


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    config = f"configs/cnn.py:{preset}"
    values = {
        "data.bands": ("nonlinear", "repeat", "rgb"),
        "data.image_size": (32, 50, 100, 224),
    }
    settings = tuple(Setting(config, changes) for changes in grid(values))
    return Sweep(
        "How much of an image does the CNN need to see?",
        settings,
        reference="cnn, bands=nonlinear, image_size=50",  # the paper's
    )
