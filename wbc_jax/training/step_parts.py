"""What a training step is made of, from a config.

statistics = band_statistics(train.image, config.data.bands)
feed = build_feed(config, make_to_input(config.data.bands, statistics))
tx = build_optimizer(config, build_schedule(config, steps_per_epoch=62))
"""

import optax
from ml_collections import ConfigDict

from wbc_jax.data.augmentation import Augmentation
from wbc_jax.errors import UserError
from wbc_jax.evaluation.inference import ToInput
from wbc_jax.training.losses import LOSSES, smoothed
from wbc_jax.training.optimizers import Optimizer, create_optimizer, create_schedule
from wbc_jax.training.train_step import Feed, make_feed


def build_feed(config: ConfigDict, to_input: ToInput) -> Feed:
    """Returns what a step gives a classifier, and what it is to reach.

    Raises:
        UserError: a field is out of range.
    """
    return make_feed(
        loss=smoothed(LOSSES[config.train.loss], config.train.label_smoothing),
        to_input=to_input,
        augment=Augmentation(**config.augment.to_dict()),
        mixup=config.train.mixup,
    )


def build_schedule(config: ConfigDict, steps_per_epoch: int) -> optax.Schedule:
    """Returns the learning rate by step.

    Raises:
        UserError: a field is out of range.
    """
    optim = config.optim
    if not 0 <= optim.warmup_epochs < config.train.num_epochs:
        raise UserError(
            f"optim.warmup_epochs={optim.warmup_epochs} must be at least 0 and shorter than "
            f"train.num_epochs={config.train.num_epochs}"
        )
    return create_schedule(
        optim.schedule,
        learning_rate=optim.learning_rate,
        num_train_steps=config.train.num_epochs * steps_per_epoch,
        num_warmup_steps=round(optim.warmup_epochs * steps_per_epoch),
    )


def build_optimizer(config: ConfigDict, schedule: optax.Schedule) -> Optimizer:
    """Returns the optimizer that a config names, with a learning rate by step.

    Raises:
        UserError: a field is out of range.
    """
    return create_optimizer(config.optim.name, schedule=schedule, momentum=config.optim.momentum)
