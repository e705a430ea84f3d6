"""The paper's CNN and a compact residual network, with as many seeds as a verdict needs.

python launch.py --mode=sweep --sweep=configs/sweeps/small_resnet.py:official

After five epochs the CNN's seeds differ by more than ten points: three of them show nothing.
"""

from wbc_jax.sweeps.definition import Setting, Sweep


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    settings = (
        Setting(f"configs/cnn.py:{preset}", name="CNN"),
        Setting(f"configs/small_resnet.py:{preset}", name="SmallResNet"),
    )
    return Sweep(
        "Is a compact network that is made for 50x50 images better than the paper's CNN?",
        settings,
        reference="CNN",
        seeds=tuple(range(10)),
    )
