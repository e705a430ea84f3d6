"""A compact residual network that is made for 50x50 images; not of the study.

python launch.py --config=configs/small_resnet.py:official
"""

from ml_collections import ConfigDict

from configs.base import get_base_config


def get_config(preset: str = "synthetic") -> ConfigDict:
    """Returns the configuration under one of `configs.base.PRESETS`."""
    config = get_base_config(preset)
    config.model.name = "small_resnet"
    config.model.stage_sizes = (2, 2, 2)  # blocks of two convolutions per stage
    config.model.stage_features = (32, 64, 128)
    config.model.stem_stride = 2  # pixels: the first stage works on 25x25
    config.model.dropout_rate = 0.0
    config.optim.name = "adam"
    config.optim.learning_rate = 1e-3  # Adam's published default; not tuned
    config.optim.schedule = "cosine"  # as of the other residual network
    return config
