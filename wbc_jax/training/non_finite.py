"""Where a training went wrong: the step and the layer of the first value that is no finite number.

first = find_first(trainer, progress, step=120, last=180, look=experiment.look)
first.step, first.what                          # 137, "the output of Conv_2"

Nothing is watched while all goes well. Once a loss is found to be no number, the steps since the
last good checkpoint are repeated one by one, which gives the same values again, and the first one
that leaves such a value is looked into.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from wbc_jax.training.finite import all_finite
from wbc_jax.training.optimizers import Optimizer
from wbc_jax.training.train_state import Progress, TrainState
from wbc_jax.training.train_step import Batch, Feed, Keys, make_mean_loss

Look = Callable[[TrainState, Batch, Keys], str]
_LOST = "a value that does not show when the step is repeated"


class First(NamedTuple):
    """The first value that is no finite number.

    Attributes:
        step: of the training, from 1, in which it came up.
        what: it is, in words.
    """

    step: int
    what: str


class Steps(Protocol):
    """What repeats steps; see `trainer.Trainer`."""

    def one_step(self, progress: Progress, step: int) -> Progress:
        """Takes one step after `step` steps; the progress is consumed."""

    def inputs(self, step: int) -> tuple[Batch, Keys]:
        """Returns what that step is given."""


def find_first(
    steps: Steps, progress: Progress, *, step: int, last: int, look: Look
) -> First | None:
    """Repeats steps until one leaves a value that is no finite number.

    Args:
        steps: repeats them.
        progress: finite, after `step` steps; consumed.
        step: number of steps in `progress`.
        last: how many steps there are to repeat, counted from the first of the training.
        look: names the first such value of a step, from `make_look`.

    Returns:
        What was found; None where all values are finite this time.
    """
    while step < last:
        before = jax.tree.map(jnp.copy, progress.state)
        progress = steps.one_step(progress, step)
        step += 1
        if not all_finite(progress):
            return First(step, look(before, *steps.inputs(step - 1)))
    return None


def make_look(model: nn.Module, tx: Optimizer, feed: Feed) -> Look:
    """Returns what takes one step and names the first of its values that is no finite number.

    In the order in which a step makes them: the input, every layer's output, the loss, the
    gradients from the last layer to the first, the weights after the update.

    Args:
        model: as in training.
        tx: optimizer.
        feed: from a state, a batch and the run's keys to what the model is given.
    """

    def values(state: TrainState, batch: Batch, keys: Keys) -> list[tuple[str, Any]]:
        fed = feed(state, batch, keys)
        mean_loss = make_mean_loss(model, state, fed)
        outputs: list[tuple[str, Any]] = []

        def watch(call: Callable, args: tuple, kwargs: dict, context: Any) -> Any:
            output = call(*args, **kwargs)
            if context.method_name == "__call__":
                outputs.append(("/".join(context.module.path), output))
            return output

        with nn.intercept_methods(watch):
            value, (_, updated) = mean_loss(state.params)
        gradients, _ = jax.grad(mean_loss, has_aux=True)(state.params)
        params, opt_state = tx.apply(gradients, state.opt_state, state.params)
        layers = [layer for layer, _ in outputs]

        def depth(named: tuple[str, Any]) -> int:
            """How late the layer of a weight comes."""
            return layers.index(named[0].rpartition("/")[0])

        backwards = sorted(_named(gradients), key=depth, reverse=True)
        return [
            ("the network's input", fed.image),
            *((f"the output of {layer or 'the network'}", output) for layer, output in outputs),
            ("the loss", value),
            *((f"the statistic {name}", leaf) for name, leaf in _named(updated)),
            *((f"the gradient of {name}", leaf) for name, leaf in backwards),
            *((f"the optimizer's {name}", leaf) for name, leaf in _named(opt_state)),
            *((f"the updated {name}", leaf) for name, leaf in _named(params)),
        ]

    def look(state: TrainState, batch: Batch, keys: Keys) -> str:
        names: list[str] = []

        @jax.jit
        def flags(state: TrainState, batch: Batch, keys: Keys) -> Bool[Array, " n"]:
            found = values(state, batch, keys)
            names.extend(name for name, _ in found)
            return jnp.stack([jnp.isfinite(value).all() for _, value in found])

        fine = flags(state, batch, keys).tolist()
        return next((name for name, is_fine in zip(names, fine, strict=True) if not is_fine), _LOST)

    return look


def _named(tree: Any) -> list[tuple[str, Any]]:
    """Returns the floating-point arrays of a tree with their names."""
    return [
        (jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if jnp.issubdtype(leaf.dtype, jnp.floating)
    ]
