"""The training step, pure and jitted, and many of them in one call.

feed = make_feed(loss=..., to_input=..., augment=...)
train_step = make_train_step(model, tx, feed)
state, sums = train_step(state, batch, keys)                # one step
run_steps = make_run_steps(train_step, batch_sharding)
state, sums = run_steps(state, sums, examples, order, first, last, keys)
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding
from jax.stages import Wrapped
from jaxtyping import Array, Float, Int, Key, UInt8

from wbc_jax.evaluation.metrics import METRICS, example_metrics
from wbc_jax.training.losses import Loss
from wbc_jax.training.mixing import mix_up, running_mean
from wbc_jax.training.optimizers import Optimizer
from wbc_jax.training.train_state import TrainState, Variables

Batch = dict[str, Array]
Keys = dict[str, Key[Array, ""]]
Sums = dict[str, Float[Array, ""]]
RunSteps = Callable[..., tuple[TrainState, Sums]]
TrainStep = Callable[[TrainState, Batch, Keys], tuple[TrainState, Sums]]
ExampleMetrics = Callable[[Any, Any], dict[str, Float[Array, " b"]]]


class Fed(NamedTuple):
    """What a step gives the network, and what to reach.

    Attributes:
        image: the network's input.
        target: what its answers are compared with, such as the labels.
        loss: of each example, from the answers and the target.
        dropout_key: of this step.
    """

    image: Float[Array, "b h w 3"]
    target: Any
    loss: Callable[[Any, Any], Float[Array, " b"]]
    dropout_key: Key[Array, ""]


Feed = Callable[[TrainState, Batch, Keys], Fed]
MeanLoss = Callable[[Variables], tuple[Float[Array, ""], tuple[Float[Array, "b k"], Variables]]]


def make_feed(
    *,
    loss: Loss,
    to_input: Callable[[UInt8[Array, "b h w c"]], Float[Array, "b h w 3"]],
    augment: Callable[[UInt8[Array, "b h w c"], Key[Array, ""]], UInt8[Array, "b h w c"]],
    mixup: float = 0.0,
) -> Feed:
    """Returns `feed(state, batch, keys)`: what a step gives the network, and what to reach.

    Args:
        loss: of each example, from logits and labels.
        to_input: uint8 images to standardised bands.
        augment: uint8 images to uint8 images.
        mixup: parameter of the Beta distribution from which the weight of a batch's second images
            is drawn; 0: no mixing. Metrics then compare with the first images' labels.

    Returns:
        A pure function that returns the input, the labels, the loss and the key of dropout.
    """

    def feed(state: TrainState, batch: Batch, keys: Keys) -> Fed:
        step_keys = {name: jax.random.fold_in(key, state.step) for name, key in keys.items()}
        augment_key, mixup_key = jax.random.split(step_keys["augment"])
        image, target_loss = to_input(augment(batch["image"], augment_key)), loss
        if mixup:
            image, target_loss = mix_up(image, loss, mixup_key, mixup)
        return Fed(image, batch["label"], target_loss, step_keys["dropout"])

    return feed


def make_mean_loss(model: nn.Module, state: TrainState, fed: Fed) -> MeanLoss:
    """Returns what a step differentiates: the loss of a batch as a function of the weights.

    Args:
        model: called with an image, `train` and the rng stream `dropout`.
        state: before the step; its running statistics are used, its weights are not.
        fed: of the step.

    Returns:
        From weights to the loss, with the logits and the updated running statistics beside it.
    """
    # Linen's return type depends on `mutable`, which no type checker can follow.
    apply: Any = model.apply

    def mean_loss(params: Variables) -> tuple[Array, tuple[Array, Variables]]:
        logits, updated = apply(
            {"params": params, "batch_stats": state.batch_stats},
            fed.image,
            train=True,
            rngs={"dropout": fed.dropout_key},
            mutable=["batch_stats"],
        )
        return fed.loss(logits, fed.target).mean(), (logits, updated)

    return mean_loss


def make_train_step(
    model: nn.Module,
    tx: Optimizer,
    feed: Feed,
    *,
    average_decay: float = 0.0,
    metrics: ExampleMetrics = example_metrics,
) -> TrainStep:
    """Returns `train_step(state, batch, keys) -> (state, sums)`, a pure function.

    A batch holds what `feed` reads, such as uint8 `image` and integer `label`. `keys` are those of
    the run; the step folds its own number in, so that nothing random has to be saved for an exact
    resume.

    Args:
        model: called with an image, `train` and the rng stream `dropout`.
        tx: optimizer.
        feed: from `make_feed`.
        average_decay: of the state's running mean; 0 where it keeps none.
        metrics: of each example, from the network's answers and the target.

    Returns:
        The step. Its sums are those of `metrics` over the batch, taken before the update.
    """

    def train_step(state: TrainState, batch: Batch, keys: Keys) -> tuple[TrainState, Sums]:
        fed = feed(state, batch, keys)
        mean_loss = make_mean_loss(model, state, fed)
        gradients, (logits, updated) = jax.grad(mean_loss, has_aux=True)(state.params)
        params, opt_state = tx.apply(gradients, state.opt_state, state.params)
        batch_stats = updated.get("batch_stats", {})
        average = state.average
        if average_decay:
            now = {"params": params, "batch_stats": batch_stats}
            average = running_mean(average, now, average_decay, state.step)
        new_state = state.replace(
            step=state.step + 1,
            params=params,
            batch_stats=batch_stats,
            opt_state=opt_state,
            average=average,
        )
        measured = metrics(logits, fed.target)
        return new_state, {name: values.sum() for name, values in measured.items()}

    return train_step


def zero_sums(metrics: Sequence[str] = METRICS) -> Sums:
    """Returns the sums before the first step of an epoch, of metrics by name."""
    return {name: jnp.zeros(()) for name in metrics}


def make_run_steps(train_step: TrainStep, batch_sharding: NamedSharding) -> Wrapped:
    """Returns a jitted function that runs many steps in one call, without Python between them.

    `run_steps(state, sums, examples, order, first, last, keys)` takes batch `order[i]` of
    `examples` for i from `first` to `last` - 1 and returns the state and the sums. Both bounds are
    traced, so that one program serves calls of any number of steps. The state given is consumed
    (donated).

    Args:
        train_step: a pure step.
        batch_sharding: how a batch lies on the devices; the examples are on every one of them, so
            each gathers its own part.
    """

    def run_steps(
        state: TrainState,
        sums: Sums,
        examples: Batch,
        order: Int[Array, "steps b"],
        first: Int[Array, ""],
        last: Int[Array, ""],
        keys: Keys,
    ) -> tuple[TrainState, Sums]:
        def body(index: Array, carry: tuple[TrainState, Sums]) -> tuple[TrainState, Sums]:
            state, sums = carry
            rows = lax.with_sharding_constraint(order[index], batch_sharding)
            batch = jax.tree.map(lambda array: array[rows], examples)
            state, step_sums = train_step(state, batch, keys)
            return state, jax.tree.map(jnp.add, sums, step_sums)

        return lax.fori_loop(first, last, body, (state, sums))

    return jax.jit(run_steps, donate_argnums=0)
