"""A training whose loss is no number stops at once and says in which step and layer it began."""

from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.training import loop as loop_module
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.experiment import build_experiment
from wbc_jax.training.finite import NotFinite, all_finite
from wbc_jax.training.losses import LOSSES
from wbc_jax.training.non_finite import First, find_first, make_look
from wbc_jax.training.optimizers import create_optimizer, create_schedule
from wbc_jax.training.resume import start_or_resume
from wbc_jax.training.train import train
from wbc_jax.training.train_state import Progress, TrainState, create_train_state
from wbc_jax.training.train_step import make_feed

BATCH = {"image": jnp.full((4, 2, 2, 3), 255, jnp.uint8), "label": jnp.arange(4)}


class Net(nn.Module):
    """Two dense layers with nothing between them that could hide a value."""

    num_classes: int = 4

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], *, train: bool) -> Float[Array, "b 4"]:
        x = nn.Dense(2, name="first")(image.reshape(len(image), -1))
        return nn.Dense(self.num_classes, name="second")(jnp.sqrt(x))


def look_at(*, scale: float = 1.0, learning_rate: float = 0.1, **weights: float) -> str:
    """What is found in a step from weights that are all as given."""
    model = Net()
    schedule = create_schedule(
        "constant", learning_rate=learning_rate, num_train_steps=2, num_warmup_steps=0
    )
    tx = create_optimizer("sgd", schedule=schedule, momentum=0.9)
    feed = make_feed(
        loss=LOSSES["softmax_cross_entropy"],
        to_input=lambda image: image.astype(jnp.float32) * jnp.float32(scale),
        augment=lambda image, key: image,
    )
    state = create_train_state(model, tx, jax.random.key(0), image_shape=(2, 2, 3))
    params = {
        layer: {
            name: jnp.full_like(leaf, weights.get(f"{layer}_{name}", 1.0))
            for name, leaf in leaves.items()
        }
        for layer, leaves in state.params.items()
    }
    keys = {name: jax.random.key(1) for name in ("dropout", "augment")}
    return make_look(model, tx, feed)(state.replace(params=params), BATCH, keys)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"scale": 3e38}, "the network's input"),
        ({"scale": 1e30, "first_kernel": 1e30}, "the output of first"),
        ({"first_kernel": 1e30, "second_kernel": 1e38}, "the output of second"),
        # The square root's slope at 0 has no bound, its value has.
        ({"first_kernel": 0.0, "first_bias": 0.0}, "the gradient of first/"),
        ({"learning_rate": 3e38, "first_kernel": 1.0}, "the updated "),
        ({}, "a value that does not show"),
    ],
)
def test_the_first_value_in_the_order_of_a_step_is_named(
    settings: dict[str, float], expected: str
) -> None:
    weights = {"second_kernel": 1.0} | settings
    if "gradient" in expected or "updated" in expected:
        # Equal columns would make all classes equal and the gradients zero.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jnp, "full_like", uneven)
            assert look_at(**weights).startswith(expected)
        return
    assert look_at(**weights).startswith(expected)


def uneven(leaf: Array, value: float) -> Array:
    return jnp.asarray(np.linspace(0.5, 1.0, leaf.size).reshape(leaf.shape), leaf.dtype) * value


class Countdown:
    """Steps of which one leaves infinity."""

    def __init__(self, bad: int) -> None:
        self.bad = bad
        self.looked_at: list[tuple[int, float]] = []

    def one_step(self, progress: Progress, step: int) -> Progress:
        value = jnp.inf if step + 1 == self.bad else float(step + 1)
        return progress.replace(state=progress.state.replace(params=jnp.asarray(value)))

    def inputs(self, step: int) -> Any:
        return {"step": step}, {}

    def look(self, state: TrainState, batch: Any, keys: Any) -> str:
        self.looked_at.append((batch["step"], float(state.params)))
        return "it"


@pytest.mark.parametrize(("bad", "found"), [(4, First(4, "it")), (9, First(9, "it")), (10, None)])
def test_the_step_that_left_it_is_looked_at_from_the_state_before(
    bad: int, found: First | None
) -> None:
    steps = Countdown(bad)
    state = TrainState(jnp.array(3), jnp.array(3.0), batch_stats={}, opt_state=(), average={})
    progress = Progress(state, {"loss": jnp.array(1.0)})
    assert find_first(steps, progress, step=3, last=9, look=steps.look) == found
    assert steps.looked_at == ([(bad - 1, bad - 1.0)] if found else [])


def test_only_floating_point_values_count() -> None:
    tree = {"count": jnp.array(2**31 - 1), "x": jnp.ones(3)}
    assert all_finite(tree)
    for value in (jnp.inf, -jnp.inf, jnp.nan):
        assert not all_finite(tree | {"y": jnp.array([1.0, value])})


def test_a_state_that_is_not_finite_is_never_saved(tmp_path: Path) -> None:
    def progress(value: float) -> Progress:
        state = TrainState(jnp.array(1), {"w": jnp.array(value)}, {}, (), {})
        return Progress(state, {"loss": jnp.array(0.5)})

    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, progress(1.0), facts={})
    with pytest.raises(NotFinite, match="the state after step 2"):
        checkpoints.save(2, progress(jnp.nan), facts={})
    checkpoints.wait()
    assert checkpoints.steps() == [1]


@pytest.mark.usefixtures("no_report", "quick_compilation")
def test_a_run_stops_within_an_interval_and_keeps_the_last_good_state(
    tiny_config: Any, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rate that grows over the epochs past all bounds."""
    changes = {
        "optim.name": "sgd",
        "optim.learning_rate": 1e12,
        "optim.schedule": "constant",
        "optim.warmup_epochs": 19.9,
        "train.num_epochs": 20,
        "train.loss": "softmax_cross_entropy",
        "checkpoint.every_steps": 1,
    }
    taken: list[int] = []
    run_epoch = loop_module.Trainer.epoch

    def note(self: Any, progress: Progress, epoch: int, **kwargs: Any) -> Any:
        taken.append(epoch)
        return run_epoch(self, progress, epoch, **kwargs)

    monkeypatch.setattr(loop_module.Trainer, "epoch", note)
    config = tiny_config(changes=changes)
    with pytest.raises(UserError, match="is no longer a finite number") as raised:
        train(config, Places(None, cache_dir), workdir=tmp_path / "r")
    message = str(raised.value)
    steps = Checkpoints(tmp_path / "r" / "checkpoints").steps()
    assert f"in step {steps[-1] + 1} (epoch {taken[-1]})" in message
    assert f"the checkpoint of step {steps[-1]}" in message
    assert any(layer in message for layer in ("Conv", "Dense", "logits", "BatchNorm"))
    assert "optim.learning_rate=" in message
    # What is left can be gone on from: a finite state.
    experiment = build_experiment(config, Places(None, cache_dir))
    with Checkpoints(tmp_path / "r" / "checkpoints") as checkpoints:
        assert all_finite(start_or_resume(experiment, checkpoints).progress)
