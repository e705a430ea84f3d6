"""The paper's VGG19 (section III.E): the 19-layer network as base, a head on top, Adam.

python launch.py --config=configs/vgg19.py:paper
python launch.py --config=configs/vgg19.py:paper --config.train.num_epochs=10 \
        --workdir=runs/vgg19-paper-seed0-10epochs
"""

from ml_collections import ConfigDict

from configs.base import get_base_config


def get_config(preset: str = "synthetic") -> ConfigDict:
    """Returns the configuration under one of `configs.base.PRESETS`."""
    config = get_base_config(preset)
    config.model.name = "vgg19"
    config.model.stage_sizes = (2, 2, 4, 4, 4)  # convolutions per stage: sixteen
    config.model.stage_features = (64, 128, 256, 512, 512)  # as published
    config.model.dense_features = (512, 512, 512)  # the base's three; widths ours, for 50 pixels
    config.model.head = ConfigDict()
    config.model.head.conv_features = (256, 256)  # two, as stated; widths ours
    config.model.head.num_norms = 2
    config.model.head.num_pools = 3
    config.model.head.dense_features = (256,)  # one, as stated; width ours
    config.model.head.dropout_rate = 0.0  # not named for VGG19
    config.model.head.norm = "batch"  # ours; or group, layer, local_response
    config.optim.name = "adam"
    config.optim.learning_rate = 2e-4  # ours, chosen under paper_dev
    config.optim.schedule = "cosine"  # ours: the head's running statistics settle as the rate falls
    if preset == "smoke":
        config.model.stage_features = (4, 8, 8, 16, 16)
        config.model.dense_features = (16, 16, 16)
        config.model.head.conv_features = (16, 16)
    return config
