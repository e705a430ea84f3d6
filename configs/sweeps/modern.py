"""The study's networks and one that is made for 50x50 images: what does it bring?

python launch.py --mode=sweep --sweep=configs/sweeps/modern.py:official
"""

from wbc_jax.sweeps.definition import Setting, Sweep

_NETWORKS = {
    "CNN": "cnn",
    "AlexNet": "alexnet",
    "ResNet50": "resnet50",
    "VGG19": "vgg19",
    "SmallResNet": "small_resnet",
}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    settings = tuple(
        Setting(f"configs/{stem}.py:{preset}", name=title) for title, stem in _NETWORKS.items()
    )
    return Sweep(
        "What does a network that is made for 50x50 images bring?", settings, reference="CNN"
    )
