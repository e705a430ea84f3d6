"""The paper's study: its four networks for five epochs, ResNet50 and VGG19 for ten as well.

python launch.py --mode=sweep --sweep=configs/sweeps/table1.py:paper            # published: leaky
python launch.py --mode=sweep --sweep=configs/sweeps/table1.py:official         # unseen smears
"""

from wbc_jax.sweeps.definition import Setting, Sweep

_RUNS = (
    ("CNN", "cnn", 5),
    ("AlexNet", "alexnet", 5),
    ("ResNet50", "resnet50", 5),
    ("ResNet50", "resnet50", 10),
    ("VGG19", "vgg19", 5),
    ("VGG19", "vgg19", 10),
)


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    settings = tuple(
        Setting(
            f"configs/{stem}.py:{preset}",
            {"train.num_epochs": epochs},
            f"{title}, {epochs} epochs",
        )
        for title, stem, epochs in _RUNS
    )
    return Sweep("Which of the study's networks is the best?", settings, reference="CNN, 5 epochs")
