"""The plain CNN with one to five convolutions, few or many poolings, with and without norms.

python launch.py --mode=sweep --sweep=configs/sweeps/layers_cnn.py --dry_run
python launch.py --mode=sweep --sweep=configs/sweeps/layers_cnn.py:official

31 settings, three seeds.
"""

from wbc_jax.sweeps.definition import Setting, Sweep, grid

_WIDTHS = (32, 64, 128, 128, 128)  # the paper's CNN has the first three; widths ours


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under one of `configs.base.PRESETS`."""
    config = f"configs/cnn.py:{preset}"
    values = {
        "model.conv_features": [_WIDTHS[:number] for number in range(1, 6)],
        "model.num_pools": (2, 3, 5),  # after the first convolutions, what is left at the end
        "model.num_norms": (0, 5),  # after none, after each
    }
    paper = Setting(config, name="the paper's CNN")  # norms after two of three convolutions
    return Sweep(
        question="What do convolutions, poolings and normalizations bring the plain CNN?",
        settings=(paper, *(Setting(config, changes) for changes in grid(values))),
        reference=paper.title,
    )
