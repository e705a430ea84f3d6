"""The paper's plain CNN (section III.B): 3 convolutions, 3 poolings, 2 normalizations, Adam.

python launch.py --config=configs/cnn.py:paper
"""

from ml_collections import ConfigDict

from configs.base import get_base_config


def get_config(preset: str = "synthetic") -> ConfigDict:
    """Returns the configuration under one of `configs.base.PRESETS`."""
    config = get_base_config(preset)
    config.model.name = "cnn"
    config.model.conv_features = (32, 64, 128)  # three, as stated; widths ours
    config.model.num_norms = 2
    config.model.num_pools = 3
    config.model.dense_features = (128,)  # one, as stated; width ours
    config.model.dropout_rate = 0.25  # the paper names dropout; rate ours
    config.model.norm = "batch"  # ours; or group, layer, local_response
    config.optim.name = "adam"
    config.optim.learning_rate = 1e-3  # ours: Adam's published default
    return config
