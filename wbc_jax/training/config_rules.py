"""What can be said of a config before there are images and devices.

require_valid(config)
"""

from collections.abc import Collection

from ml_collections import ConfigDict

from wbc_jax.data.input_pipeline import BALANCES
from wbc_jax.errors import UserError
from wbc_jax.training.losses import LOSSES
from wbc_jax.training.step_parts import build_feed, build_optimizer, build_schedule


def require_valid(config: ConfigDict) -> None:
    """Checks every field that needs neither images nor devices nor the network's layers.

    Raises:
        UserError: a field has a value that cannot work; the message names field, rule and remedy.
    """
    for field in ("train.num_epochs", "train.steps_per_call", "checkpoint.every_epochs"):
        _require_at_least(config, field, 1)
    for field in ("checkpoint.num_best", "checkpoint.every_steps", "train.mixup"):
        _require_at_least(config, field, 0)
    if not 0 <= config.train.average_decay < 1:
        raise UserError(
            f"train.average_decay={config.train.average_decay} must lie in [0, 1); 0 keeps no "
            "average, 0.999 is usual"
        )
    _choice("data.balance", config.data.balance, BALANCES)
    if config.augment.stain and config.data.bands != "rgb":
        raise UserError(
            f"augment.stain={config.augment.stain} needs data.bands=rgb: a gray image "
            f"(data.bands={config.data.bands}) has no stains; set it to 0, or see augment.light"
        )
    _choice("train.loss", config.train.loss, LOSSES)
    build_feed(config, lambda image: image)
    # Whatever the number of steps, the rules are the same.
    build_optimizer(config, build_schedule(config, steps_per_epoch=1_000))


def _choice(field: str, value: str, choices: Collection[str]) -> str:
    if value not in choices:
        raise UserError(f"{field}={value!r} is not known; choose one of {', '.join(choices)}")
    return value


def _require_at_least(config: ConfigDict, field: str, least: int) -> None:
    value = config
    for name in field.split("."):
        value = value[name]
    if not least <= value < 2**31:  # steps and rows are counted in 32 bits
        raise UserError(f"{field}={value} must be at least {least} and below 2^31")
