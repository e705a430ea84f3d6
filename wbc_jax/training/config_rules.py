"""What can be said of a config before there are images and devices.

plan = require_valid(config)
"""

from operator import attrgetter

from ml_collections import ConfigDict

from wbc_jax.data.protocols import get_protocol
from wbc_jax.errors import UserError, require_at_least
from wbc_jax.nested import flatten
from wbc_jax.training.prepare_data import classes_and_input, draw_of
from wbc_jax.training.step_parts import build_optimizer, build_schedule
from wbc_jax.training.task import Plan
from wbc_jax.training.tasks import plan_task


def require_valid(config: ConfigDict) -> Plan:
    """Checks every field that needs neither images nor devices nor the network's layers.

    Returns:
        What builds the config's task once the images are there.

    Raises:
        UserError: a field has a value that cannot work; the message names field, rule and remedy.
    """
    if missing := [name for name, value in flatten(config.to_dict()).items() if value is None]:
        raise UserError(f"{missing[0]} has no value (None); give it one, or leave its default")
    for field in (
        "train.num_epochs",
        "train.steps_per_call",
        "eval.batch_size",
        "checkpoint.every_epochs",
    ):
        require_at_least(field, attrgetter(field)(config), 1)
    for field in ("checkpoint.num_best", "checkpoint.every_steps"):
        require_at_least(field, attrgetter(field)(config), 0)
    if not 0 <= config.train.average_decay < 1:
        raise UserError(
            f"train.average_decay={config.train.average_decay} must lie in [0, 1); 0 keeps no "
            "average, 0.999 is usual"
        )
    _, (height, width, _) = classes_and_input(config)
    if config.augment.crop_margin >= min(height, width):
        raise UserError(
            f"augment.crop_margin={config.augment.crop_margin} must be below {min(height, width)}: "
            f"an image of {width}x{height} pixels would be shifted out of view"
        )
    get_protocol(config.data.protocol).require_valid(draw_of(config))
    plan = plan_task(config)
    # Whatever the number of steps, the rules are the same.
    build_optimizer(config, build_schedule(config, steps_per_epoch=1_000))
    return plan
