"""A small encoder-decoder that finds cells: one heat map each for RBC, WBC and Platelets.

python launch.py --config=configs/detector.py                                 # embedded drawings
python launch.py --config=configs/detector.py:bccd --data_dir=FOLDER_OF_BCCD  # photographs
python launch.py --config=configs/detector.py:bccd_dev --config.data.fold=0   # to choose by
"""

from ml_collections import ConfigDict

from configs.base import get_base_config

PRESETS = ("synthetic", "bccd", "bccd_dev", "smoke")
# Of a whole image's class, which a detector does not answer.
OF_CLASSIFIERS = {
    "data": ("num_classes", "first_size", "image_size", "bands", "view", "window_side", "balance"),
    "train": ("label_smoothing", "mixup"),
}


def get_config(preset: str = "synthetic") -> ConfigDict:
    """Returns the configuration under one of `PRESETS`.

    Raises:
        ValueError: there is no such preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset {preset!r} is not known; choose one of {', '.join(PRESETS)}")
    config = get_base_config("smoke" if preset == "smoke" else "synthetic")
    for section, names in OF_CLASSIFIERS.items():
        with config[section].unlocked():
            for name in names:
                del config[section][name]
    config.task = "detection"
    config.data.protocol = preset
    with config.data.unlocked():
        config.data.picture_size = (240, 320)  # rows, columns in pixels; multiples of 16

    config.model.name = "detector"
    config.model.stage_features = (16, 32, 64, 128, 128)  # full resolution, a half, a quarter ...
    config.model.stage_sizes = (1, 1, 2, 2, 2)  # convolutions of each stage
    config.model.num_up = 1  # convolutions of each stage on the way up
    config.model.norm = "batch"  # or group, layer, local_response

    config.detection = ConfigDict()  # one number each for RBC, WBC, Platelets
    config.detection.spread = 0.3  # of a hill, in units of half the cell's shorter side
    config.detection.thresholds = (0.45, 0.2, 0.45)  # lowest score of a seed; see docs/smear.md
    config.detection.apart = (18.0, 40.0, 8.0)  # pixels; least distance of two seeds of a kind

    config.augment.mirror = True
    config.augment.flip = True
    config.augment.rotation = 20.0  # more turns the picture's empty corners into it
    config.augment.scale = 0.15
    config.augment.shear = 0.1
    config.augment.crop_margin = 20
    config.augment.light = 0.15
    config.augment.stain = 0.1

    config.optim.learning_rate = 2e-3
    config.optim.schedule = "cosine"
    config.optim.warmup_epochs = 1.0
    config.train.batch_size = 8
    config.train.loss = "quality_focal"  # or focal, cross_entropy
    config.train.average_decay = 0.998
    config.eval.batch_size = 8
    config.eval.test_time_flips = True
    if preset in ("bccd", "bccd_dev"):
        config.train.num_epochs = 60
    elif preset == "synthetic":
        config.train.num_epochs = 2
    return config
