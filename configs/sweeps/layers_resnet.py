"""ResNet with 26, 50 and 101 layers under the paper's head.

python launch.py --mode=sweep --sweep=configs/sweeps/layers_resnet.py:official

Source: He et al. (2016), table 1, for 50 and 101; 26 are two bottleneck blocks in every stage.
"""

from wbc_jax.sweeps.definition import Setting, Sweep

_STAGES = {"ResNet26": (2, 2, 2, 2), "ResNet50": (3, 4, 6, 3), "ResNet101": (3, 4, 23, 3)}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    settings = tuple(
        Setting(f"configs/resnet50.py:{preset}", {"model.stage_sizes": sizes}, name)
        for name, sizes in _STAGES.items()
    )
    return Sweep("Does ResNet need its 50 layers at 50x50?", settings, reference="ResNet50")
