"""How many smears the recipe for unseen smears needs: with a quarter, half and all of them.

python launch.py --mode=sweep --sweep=configs/sweeps/smears.py:cnn-official_dev

What is not trained on is held out for validation. Fewer smears are seen for more epochs, so that
every setting takes as many steps; all are tested on the same smears, seed by seed. Without the
recipe's mirror images in the test: after every epoch they would take most of the time.
"""

from wbc_jax.sweeps.definition import Setting, Sweep

# Share of the training smears that is trained on, and for how many epochs.
_SHARES = {0.225: 32, 0.45: 16, 0.9: 8}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under a preset of `configs.base.PRESETS`.

    Args:
        preset: PRESET or NETWORK-PRESET; without a network, cnn.
    """
    config = f"configs/recipes/white_cell.py:{preset if '-' in preset else f'cnn-{preset}'}"
    settings = tuple(
        Setting(
            config,
            {
                "data.validation_share": round(1 - share, 3),
                "train.num_epochs": epochs,
                "eval.test_time_flips": False,
            },
            f"{share:.1%} of the smears",
        )
        for share, epochs in _SHARES.items()
    )
    return Sweep("How many smears does the recipe need?", settings, reference=settings[-1].title)
