"""Optax transforms by name.

tx = create_optimizer("sgd", schedule=create_schedule("constant", ...), momentum=0.9)
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from wbc_jax.errors import UserError, require_choice
from wbc_jax.nn.native import library
from wbc_jax.nn.native.updates import adam_native, sgd_native

OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine")
_ADAM_B2, _ADAM_EPSILON = 0.999, 1e-8
_INFINITE = 2.0**128  # from there on, as float32


def create_schedule(
    name: str, *, learning_rate: float, num_train_steps: int, num_warmup_steps: int
) -> optax.Schedule:
    """Returns the learning rate as a function of the step.

    Args:
        name: "constant", or "cosine" (down to zero after the last step).
        learning_rate: its peak.
        num_train_steps: length of the whole training.
        num_warmup_steps: steps over which it rises linearly from zero, under either name.

    Raises:
        UserError: the name is not known, the rate is not positive and finite, or the warm-up is
            as long as the training.
    """
    require_choice("optim.schedule", name, SCHEDULES)
    if not 0 < learning_rate < _INFINITE:  # NaN, too
        raise UserError(
            f"optim.learning_rate={learning_rate} must be above 0 and finite in 32 bits; try 0.001"
        )
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


class Optimizer(NamedTuple):
    """An Optax transform that can also change the weights itself, in one pass over memory.

    Attributes:
        init: as Optax's.
        update: as Optax's.
        apply: `apply(gradients, opt_state, params)` returns new params and opt_state; what
            `update` and `optax.apply_updates` give, to rounding.
    """

    init: optax.TransformInitFn
    update: optax.TransformUpdateFn
    apply: Callable[[Any, Any, Any], tuple[Any, Any]]


def create_optimizer(name: str, *, schedule: optax.Schedule, momentum: float) -> Optimizer:
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
    require_choice("optim.name", name, OPTIMIZERS)
    if name == "adam":
        adam = optax.adam(schedule, b1=momentum, b2=_ADAM_B2, eps=_ADAM_EPSILON)
        return Optimizer(
            adam.init, adam.update, partial(_apply, adam, partial(_adam, schedule, momentum))
        )
    sgd = optax.sgd(schedule, momentum=momentum)
    return Optimizer(sgd.init, sgd.update, partial(_apply, sgd, partial(_sgd, schedule, momentum)))


NativeApply = Callable[[list[Array], Any, list[Array]], tuple[list[Array], Any]]


def _apply(
    tx: optax.GradientTransformation,
    native: NativeApply,
    gradients: Any,
    opt_state: Any,
    params: Any,
) -> tuple[Any, Any]:
    leaves, structure = jax.tree.flatten(params)
    if not _native_serves(leaves):
        updates, opt_state = tx.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), opt_state
    leaves, opt_state = native(jax.tree.leaves(gradients), opt_state, leaves)
    return jax.tree.unflatten(structure, leaves), opt_state


def _sgd(
    schedule: optax.Schedule,
    momentum: float,
    gradients: list[Array],
    opt_state: Any,
    params: list[Array],
) -> tuple[list[Array], Any]:
    trace, by_schedule = opt_state
    traces, structure = jax.tree.flatten(trace.trace)
    numbers = jnp.stack([schedule(by_schedule.count), momentum]).astype(jnp.float32)
    params, traces = sgd_native(numbers, gradients, params, traces)
    trace = trace._replace(trace=jax.tree.unflatten(structure, traces))
    return params, (trace, _next(by_schedule))


def _adam(
    schedule: optax.Schedule,
    momentum: float,
    gradients: list[Array],
    opt_state: Any,
    params: list[Array],
) -> tuple[list[Array], Any]:
    moments, by_schedule = opt_state
    moments = _next(moments)
    corrections = [1 / (1 - decay**moments.count) for decay in (momentum, _ADAM_B2)]
    rate = schedule(by_schedule.count)
    numbers = jnp.stack([rate, momentum, _ADAM_B2, *corrections, _ADAM_EPSILON])
    means, structure = jax.tree.flatten(moments.mu)
    params, means, squares = adam_native(
        numbers.astype(jnp.float32), gradients, params, means, jax.tree.leaves(moments.nu)
    )
    moments = moments._replace(
        mu=jax.tree.unflatten(structure, means), nu=jax.tree.unflatten(structure, squares)
    )
    return params, (moments, _next(by_schedule))


def _native_serves(params: list[Array]) -> bool:
    return all(leaf.dtype == jnp.float32 for leaf in params) and library.is_available()


def _next(state: Any) -> Any:
    return state._replace(count=optax.safe_increment(state.count))
