"""The paper's AlexNet (section III.C): 5 convolutions, 3 poolings, 2 normalizations, SGD.

python launch.py --config=configs/alexnet.py:paper
"""

from ml_collections import ConfigDict

from configs.base import get_base_config


def get_config(preset: str = "synthetic") -> ConfigDict:
    """Returns the configuration under one of `configs.base.PRESETS`."""
    config = get_base_config(preset)
    config.model.name = "alexnet"
    config.model.conv_features = (32, 96, 128, 128, 96)  # five, as stated; widths: a third
    config.model.kernel_sizes = (5, 5, 3, 3, 3)  # pixels; ours: 11x11 was made for 224 pixels
    config.model.first_stride = 1  # pixels; ours: 4 in the original, at 224 pixels
    config.model.pool_after = (0, 1, 4)  # three, as stated; places as in the original
    config.model.norm_after = (
        0,
        1,
    )  # two, as stated; after the same convolutions as in the original
    config.model.dense_features = (512, 512)  # two, as stated; widths ours
    config.model.dropout_rate = (
        0.0  # not named for AlexNet; 0.25 stops it from learning in 5 epochs
    )
    config.model.norm = (
        "batch"  # the paper says "normalized layers"; or group, layer, local_response
    )
    config.augment.mirror = True  # the paper: mirror images
    config.augment.crop_margin = 4  # the paper: random crops; margin ours
    config.optim.name = "sgd"
    config.optim.learning_rate = 0.03  # ours, chosen under paper_dev
    return config
