"""Adam and SGD for the plain CNN, over rates and schedules; none of them is given in the paper.

python launch.py --mode=sweep --sweep=configs/sweeps/optimizer.py:official_dev

A rate is chosen under `official_dev` or `paper_dev`, which see no image of TEST.
"""

from wbc_jax.sweeps.definition import Setting, Sweep, grid

_RATES = {"adam": (3e-4, 1e-3, 3e-3), "sgd": (0.01, 0.03, 0.1)}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    changes = [
        one
        for name, rates in _RATES.items()
        for one in grid(
            {
                "optim.name": (name,),
                "optim.learning_rate": rates,
                "optim.schedule": ("constant", "cosine"),
            }
        )
    ]
    settings = tuple(Setting(f"configs/cnn.py:{preset}", one) for one in changes)
    return Sweep(
        "How much does the CNN depend on the optimizer?",
        settings,
        reference="cnn, name=adam, learning_rate=0.001, schedule=constant",
    )
