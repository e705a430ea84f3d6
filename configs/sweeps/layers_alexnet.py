"""AlexNet with three to six convolutions, and with none to three dense layers.

python launch.py --mode=sweep --sweep=configs/sweeps/layers_alexnet.py:official
"""

from typing import Any

from wbc_jax.sweeps.definition import Setting, Sweep

# Of the paper's five convolutions the middle ones are left out or repeated; the third pooling
# follows the last.
_CONVOLUTIONS: dict[int, dict[str, Any]] = {
    3: {
        "model.conv_features": (32, 96, 96),
        "model.kernel_sizes": (5, 5, 3),
        "model.pool_after": (0, 1, 2),
    },
    4: {
        "model.conv_features": (32, 96, 128, 96),
        "model.kernel_sizes": (5, 5, 3, 3),
        "model.pool_after": (0, 1, 3),
    },
    6: {
        "model.conv_features": (32, 96, 128, 128, 128, 96),
        "model.kernel_sizes": (5, 5, 3, 3, 3, 3),
        "model.pool_after": (0, 1, 5),
    },
}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    config = f"configs/alexnet.py:{preset}"
    paper = Setting(config, name="the paper's AlexNet")
    settings = (
        paper,
        *(
            Setting(config, changes, f"{number} convolutions")
            for number, changes in _CONVOLUTIONS.items()
        ),
        *(
            Setting(config, {"model.dense_features": (512,) * number}, f"{number} dense layers")
            for number in (0, 1, 3)
        ),
        Setting(config, {"model.norm_after": ()}, "no normalization"),
    )
    return Sweep("What do AlexNet's layers bring?", settings, reference=paper.title)
