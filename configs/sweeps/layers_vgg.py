"""VGG with 11, 13, 16 and 19 layers under the paper's head.

python launch.py --mode=sweep --sweep=configs/sweeps/layers_vgg.py:official

Source: Simonyan and Zisserman (2015), table 1, columns A, B, D and E.
"""

from wbc_jax.sweeps.definition import Setting, Sweep

_STAGES = {
    "VGG11": (1, 1, 2, 2, 2),
    "VGG13": (2, 2, 2, 2, 2),
    "VGG16": (2, 2, 3, 3, 3),
    "VGG19": (2, 2, 4, 4, 4),
}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    settings = tuple(
        Setting(f"configs/vgg19.py:{preset}", {"model.stage_sizes": sizes}, name)
        for name, sizes in _STAGES.items()
    )
    return Sweep("Does VGG need its 19 layers at 50x50?", settings, reference="VGG19")
