"""ResNet50 and VGG19 with and without the layers that the paper puts on top of them.

python launch.py --mode=sweep --sweep=configs/sweeps/head.py:official
"""

from typing import Any

from wbc_jax.sweeps.definition import Setting, Sweep

_CONVOLUTIONS = {
    "model.head.conv_features": (),
    "model.head.num_norms": 0,
    "model.head.num_pools": 0,
}
_DENSE = {"model.head.dense_features": (), "model.head.dropout_rate": 0.0}
_WITHOUT: dict[str, dict[str, Any]] = {
    "without the head": {**_CONVOLUTIONS, **_DENSE},  # the softmax layer alone is left
    "without the head's convolutions": _CONVOLUTIONS,
    "without the head's dense layer": _DENSE,
}
_NETWORKS = {"ResNet50": "resnet50", "VGG19": "vgg19"}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    settings: list[Setting] = []
    for title, stem in _NETWORKS.items():
        config, whole = f"configs/{stem}.py:{preset}", f"{title} with the head"
        settings.append(Setting(config, name=whole))
        settings += [
            Setting(config, changes, f"{title} {what}", against=whole)
            for what, changes in _WITHOUT.items()
        ]
    return Sweep(
        "Does the paper's head bring ResNet50 and VGG19 anything?",
        tuple(settings),
        reference=settings[0].title,
    )
