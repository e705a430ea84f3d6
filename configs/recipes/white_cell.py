"""Our recipe for unseen smears: a window around the white cell in colour, and much augmentation.

python launch.py --config=configs/recipes/white_cell.py:alexnet-official_dev     # chosen under
python launch.py --config=configs/recipes/white_cell.py:alexnet-official         # scored with

Figures, and what each lever brings: docs/results.md.
"""

from ml_collections import ConfigDict

from configs.recipes import plain_config, set_epochs


def get_config(preset: str = "official_dev") -> ConfigDict:
    """Returns the recipe under a preset of `configs.base.PRESETS`.

    Args:
        preset: PRESET or NETWORK-PRESET; without a network, alexnet.

    Raises:
        ValueError: the network is none that classifies.
    """
    config = plain_config(preset, network="alexnet")
    config.data.view = "white_cell"
    config.data.bands = "rgb"
    config.data.balance = "smears"
    if config.data.validation_share:
        config.data.validation_share = 0.1  # it chooses nothing, it fits one temperature
    config.augment.mirror = True
    config.augment.flip = True
    config.augment.rotation = 180.0
    config.augment.scale = 0.15
    config.augment.shear = 0.1
    config.augment.crop_margin = 3
    config.augment.light = 0.2
    config.augment.stain = 0.15
    config.optim.schedule = "cosine"
    config.train.batch_size = 32
    set_epochs(config, 8)
    config.train.loss = "softmax_cross_entropy"
    config.train.label_smoothing = 0.1
    config.train.mixup = 0.4
    config.train.average_decay = 0.999
    config.eval.test_time_flips = True
    return config
