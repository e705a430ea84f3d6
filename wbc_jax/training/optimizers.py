"""Optax transforms by name.

tx = create_optimizer("sgd", schedule=create_schedule("constant", ...), momentum=0.9)
"""

import optax

from wbc_jax.errors import UserError

OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine")


def create_schedule(
    name: str, *, learning_rate: float, num_train_steps: int, num_warmup_steps: int
) -> optax.Schedule:
    """Returns the learning rate as a function of the step.

    Args:
        name: "constant", or "cosine" (down to zero at the last step).
        learning_rate: its peak.
        num_train_steps: length of the whole training.
        num_warmup_steps: steps over which it rises linearly from zero, under either name.

    Raises:
        UserError: the name is not known, the rate is not positive, or the warm-up is as long as
            the training.
    """
    if name not in SCHEDULES:
        raise UserError(
            f"optim.schedule={name!r} is not known; choose one of {', '.join(SCHEDULES)}"
        )
    if learning_rate <= 0:
        raise UserError(f"optim.learning_rate={learning_rate} must be above 0; try 0.001")
    if not 0 <= num_warmup_steps < num_train_steps:
        raise UserError(
            f"the warm-up of {num_warmup_steps} steps must be shorter than the training of "
            f"{num_train_steps}; lower optim.warmup_epochs or raise train.num_epochs"
        )
    num_steps_left = num_train_steps - num_warmup_steps
    after_warmup = (
        optax.constant_schedule(learning_rate)
        if name == "constant"
        else optax.cosine_decay_schedule(learning_rate, num_steps_left)
    )
    if num_warmup_steps == 0:
        return after_warmup
    warmup = optax.linear_schedule(0.0, learning_rate, num_warmup_steps)
    return optax.join_schedules([warmup, after_warmup], [num_warmup_steps])


def create_optimizer(
    name: str, *, schedule: optax.Schedule, momentum: float
) -> optax.GradientTransformation:
    """Returns Adam with its published constants, or SGD with momentum.

    Args:
        name: "adam" or "sgd".
        schedule: learning rate by step.
        momentum: of SGD, in [0, 1); Adam's first moment decays with it as well.

    Raises:
        UserError: the name is not known or momentum is out of range.

    Source: Kingma and Ba (2015), algorithm 1; Polyak (1964).
    """
    if not 0 <= momentum < 1:
        raise UserError(f"optim.momentum={momentum} must lie in [0, 1); the usual value is 0.9")
    match name:
        case "adam":
            return optax.adam(schedule, b1=momentum)
        case "sgd":
            return optax.sgd(schedule, momentum=momentum)
    raise UserError(f"optim.name={name!r} is not known; choose one of {', '.join(OPTIMIZERS)}")
