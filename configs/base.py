"""Every field once: default, unit, one comment. The models' files override what the paper states.

A preset (`--config=configs/alexnet.py:paper`) names the protocol; without one it is `synthetic`.
"""

from ml_collections import ConfigDict

PRESETS = (
    "synthetic",
    "paper",
    "paper_grouped",
    "paper_dev",
    "official",
    "official_dev",
    "crossval",
    "lisc",
    "own",
    "smoke",
)
VALIDATED = (
    "official",
    "crossval",
    "own",
)  # presets that hold smears out of training for validation


def get_base_config(preset: str) -> ConfigDict:
    """Returns the configuration shared by all models.

    Args:
        preset: one of `PRESETS`; `smoke` also shortens the training, for tests.

    Raises:
        ValueError: there is no such preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset {preset!r} is not known; choose one of {', '.join(PRESETS)}")
    config = ConfigDict()
    config.seed = 0  # of weights, dropout, augmentation, order and random divisions

    config.model = ConfigDict()
    config.model.name = "cnn"  # cnn, alexnet, resnet50, vgg19 or small_resnet
    config.model.dtype = "float32"  # of the computation: float32 or bfloat16; weights are float32

    config.data = ConfigDict()
    config.data.protocol = preset  # which images are train and test
    config.data.num_classes = 4  # the first so many; 5 adds basophils
    config.data.first_size = 300  # pixels; the paper resizes to 300x300; 0: not; of view whole
    config.data.image_size = 50  # pixels; side of the network's input
    config.data.bands = "nonlinear"  # (g, g^2, sqrt g); or repeat (g, g, g), or rgb
    config.data.view = "whole"  # the image as it is; or white_cell, a window around the nucleus
    config.data.window_side = 0.6  # of white_cell's window, as a share of the image's height
    config.data.validation_share = 0.2 if preset in VALIDATED else 0.0  # of the training smears
    config.data.fold = 0  # of 5, from 0: tested on; crossval, official_dev, own, bccd_dev
    config.data.balance = "none"  # every image once an epoch; or classes, smears: drawn evenly

    config.augment = ConfigDict()  # of training images; 0 or False: off
    config.augment.mirror = False  # left to right, half of the images
    config.augment.flip = False  # upside down, half of the images
    config.augment.crop_margin = 0  # pixels; largest shift
    config.augment.rotation = 0.0  # degrees to either side
    config.augment.scale = 0.0  # largest change of size, as a share
    config.augment.shear = 0.0  # largest change of the aspect ratio, as a share
    config.augment.light = 0.0  # largest change of brightness and contrast, as a share
    config.augment.stain = 0.0  # largest change of each stain's strength, as a share; rgb only
    config.augment.cutout = 0.0  # side of the square covered, as a share of the image's side

    config.optim = ConfigDict()
    config.optim.name = "adam"  # or sgd
    config.optim.learning_rate = 1e-3  # peak; not given in the paper
    config.optim.momentum = 0.9  # of SGD, and of Adam's first moment; not given in the paper
    config.optim.schedule = "constant"  # or cosine
    config.optim.warmup_epochs = 0.0  # linear rise from zero; not given in the paper

    config.train = ConfigDict()
    config.train.num_epochs = 5  # the paper: 5, and 10 for ResNet50 and VGG19
    config.train.batch_size = 16  # images per step over all devices; ours
    config.train.loss = "binary_cross_entropy"  # over the softmax outputs; or softmax_cross_entropy
    config.train.label_smoothing = 0.0  # share of a label spread over all classes
    config.train.mixup = 0.0  # Beta parameter of blending pairs of images; 0: off
    config.train.average_decay = 0.0  # of the running mean of the weights; 0: none is kept
    config.train.steps_per_call = 10  # most steps without Python between them

    config.eval = ConfigDict()
    config.eval.batch_size = 100  # images per step over all devices; changes no result
    config.eval.train_at_rest = False  # measure the training images like the test images, too
    config.eval.test_time_flips = False  # average the probabilities over four mirror images

    config.checkpoint = ConfigDict()
    config.checkpoint.every_epochs = 1  # epochs between two checkpoints; the last is always saved
    config.checkpoint.every_steps = 0  # the same in training steps, within an epoch too; 0: none
    config.checkpoint.num_best = 1  # kept beside the latest, by lowest training loss

    config.mesh = ConfigDict()
    config.mesh.num_devices = 0  # devices to split a batch over; 0: all there are

    if preset == "smoke":
        config.train.num_epochs = 2
    for name, section in config.items():
        if isinstance(section, ConfigDict) and name != "model":  # the network adds its own fields
            section.lock()  # a field that is written wrongly is refused, not added
    return config
