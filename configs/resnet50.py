"""The paper's ResNet50 (section III.D): the 50-layer network as base, a head on top, SGD.

python launch.py --config=configs/resnet50.py:paper
python launch.py --config=configs/resnet50.py:paper --config.train.num_epochs=10 \
        --workdir=runs/resnet50-paper-seed0-10epochs
"""

from ml_collections import ConfigDict

from configs.base import get_base_config


def get_config(preset: str = "synthetic") -> ConfigDict:
    """Returns the configuration under one of `configs.base.PRESETS`."""
    config = get_base_config(preset)
    config.model.name = "resnet50"
    config.model.stage_sizes = (3, 4, 6, 3)  # bottleneck blocks per stage: the 50 layers
    config.model.width = 64  # channels of the stem, as published
    config.model.head = ConfigDict()
    config.model.head.conv_features = (256, 256)  # two, as stated; widths ours
    config.model.head.num_norms = 2
    config.model.head.num_pools = 3
    config.model.head.dense_features = (256,)  # one, as stated; width ours
    config.model.head.dropout_rate = 0.1  # our reading of the paper's "one additional layer"
    config.model.head.norm = "batch"  # the head's, ours; or group, layer, local_response
    config.optim.name = "sgd"
    config.optim.learning_rate = 0.05  # ours, chosen under paper_dev
    config.optim.schedule = "cosine"  # ours, chosen under paper_dev
    if preset == "smoke":
        config.model.stage_sizes = (1, 1)
        config.model.width = 8
        config.model.head.conv_features = (16, 16)
    return config
