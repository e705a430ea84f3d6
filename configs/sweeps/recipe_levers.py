"""What each lever of the recipe for unseen smears brings: all of them, and each taken away in turn.

python launch.py --mode=sweep --sweep=configs/sweeps/recipe_levers.py:cnn-official_dev
python launch.py --mode=sweep --sweep=configs/sweeps/recipe_levers.py:alexnet-official_dev

Levers are chosen under `official_dev`, which sees no image of TEST and holds other smears of TRAIN
out for every seed; each seed of a lever is compared with the same seed of the recipe.
"""

from typing import Any

from wbc_jax.sweeps.definition import Setting, Sweep

_LEVERS: dict[str, dict[str, Any]] = {
    "whole view": {"data.view": "whole"},
    "gray": {"data.bands": "nonlinear", "augment.stain": 0.0},
    "no flips": {"augment.mirror": False, "augment.flip": False},
    "no rotation": {"augment.rotation": 0.0},
    "no scale": {"augment.scale": 0.0},
    "no shear": {"augment.shear": 0.0},
    "no shift": {"augment.crop_margin": 0},
    "no stain jitter": {"augment.stain": 0.0},
    "no light jitter": {"augment.light": 0.0},
    "cut-out": {"augment.cutout": 0.3},
    "balance by classes": {"data.balance": "classes"},
    "no balance": {"data.balance": "none"},
    "no label smoothing": {"train.label_smoothing": 0.0},
    "no mixup": {"train.mixup": 0.0},
    "no average of weights": {"train.average_decay": 0.0},
    "constant rate": {"optim.schedule": "constant"},
    "binary cross-entropy": {"train.loss": "binary_cross_entropy"},
    "dropout 0.5": {"model.dropout_rate": 0.5},
    "group norm": {"model.norm": "group"},
    "no test-time flips": {"eval.test_time_flips": False},
}


def get_sweep(preset: str = "synthetic") -> Sweep:
    """Returns the sweep under a preset of `configs.base.PRESETS`.

    Args:
        preset: PRESET or NETWORK-PRESET; without a network, cnn. The network is cnn or alexnet:
            the others have neither a dropout rate nor a norm of the whole network.
    """
    config = f"configs/recipes/white_cell.py:{preset if '-' in preset else f'cnn-{preset}'}"
    recipe = Setting(config, name="the recipe")
    return Sweep(
        question="What does each lever of the recipe bring?",
        settings=(recipe, *(Setting(config, own, name) for name, own in _LEVERS.items())),
        reference=recipe.title,
    )
