"""The study's networks for 5, 10 and 20 epochs, each against its own five.

python launch.py --mode=sweep --sweep=configs/sweeps/epochs.py:official
"""

from wbc_jax.sweeps.definition import Setting, Sweep

_NETWORKS = {"CNN": "cnn", "AlexNet": "alexnet", "ResNet50": "resnet50", "VGG19": "vgg19"}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    settings = tuple(
        Setting(
            f"configs/{stem}.py:{preset}",
            {"train.num_epochs": epochs},
            f"{title}, {epochs} epochs",
            against=f"{title}, 5 epochs",
        )
        for title, stem in _NETWORKS.items()
        for epochs in (5, 10, 20)
    )
    return Sweep("What do more epochs bring?", settings, reference=settings[0].title)
