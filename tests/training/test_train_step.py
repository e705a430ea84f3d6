"""One training step and many: pure, learning, and the same on one device and on eight."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.models.tiny_models import IMAGE_SHAPE, draw_variables, tiny_model
from wbc_jax.data.augmentation import Augmentation
from wbc_jax.evaluation.inference import make_predict
from wbc_jax.evaluation.metrics import METRICS
from wbc_jax.training.losses import LOSSES
from wbc_jax.training.mixing import mix_up
from wbc_jax.training.optimizers import create_optimizer
from wbc_jax.training.rngs import named_key
from wbc_jax.training.sharding import create_mesh, replicated, split_by_example
from wbc_jax.training.train_state import TrainState
from wbc_jax.training.train_step import (
    Batch,
    Keys,
    TrainStep,
    make_feed,
    make_run_steps,
    make_train_step,
    zero_sums,
)

ROOT = Path(__file__).resolve().parents[2]
NUM_EXAMPLES, BATCH_SIZE = 24, 8
TX = create_optimizer("sgd", schedule=optax.constant_schedule(0.05), momentum=0.9)
# One layer of each kind: convolution, batch norm, pooling, dense, dropout, softmax layer.
LAYERS: dict[str, Any] = {"conv_features": (4,), "num_pools": 1}


def make_examples() -> Batch:
    """Noise whose brightness grows with the class: something to learn."""
    random = np.random.default_rng(0)
    label = np.arange(NUM_EXAMPLES) % 4
    noise = random.integers(0, 40, (NUM_EXAMPLES, *IMAGE_SHAPE))
    image = (noise + 60 * label[:, None, None, None]).astype(np.uint8)
    return {"image": jnp.asarray(image), "label": jnp.asarray(label, jnp.int32)}


def make_keys(seed: int = 0) -> Keys:
    return {name: named_key(seed, name) for name in ("dropout", "augment")}


AVERAGE_DECAY = 0.9


def make_step(
    *,
    augmented: bool = False,
    loss: str = "binary_cross_entropy",
    mixup: float = 0.0,
    average_decay: float = 0.0,
    **layers: Any,
) -> tuple[TrainStep, TrainState]:
    """A step and a state to start from. Without changes, dropout is on and batch norm there."""
    model = tiny_model("cnn", **(LAYERS | layers))
    feed = make_feed(
        loss=LOSSES[loss],
        to_input=lambda image: image.astype(jnp.float32) / 128 - 1,
        augment=Augmentation(mirror=augmented, crop_margin=2 if augmented else 0),
        mixup=mixup,
    )
    step = make_train_step(model, TX, feed, average_decay=average_decay)
    variables = draw_variables(model)
    weights = {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        opt_state=TX.init(weights["params"]),
        average=jax.tree.map(jnp.copy, weights) if average_decay else {},
        **weights,
    )
    return step, state


@pytest.fixture(scope="module")
def step_and_state() -> tuple[TrainStep, TrainState]:
    step, state = make_step(augmented=True, mixup=0.1, average_decay=AVERAGE_DECAY)
    return jax.jit(step), state


def first_batch() -> Batch:
    return jax.tree.map(lambda array: array[:BATCH_SIZE], make_examples())


def assert_trees_equal(first: Any, second: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


def differs(first: Any, second: Any) -> bool:
    leaves = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return any(not np.array_equal(a, b) for a, b in leaves)


def test_a_step_is_a_pure_function(step_and_state: tuple[TrainStep, TrainState]) -> None:
    step, state = step_and_state
    before = jax.tree.map(np.array, state)
    first = step(state, first_batch(), make_keys())
    second = step(state, first_batch(), make_keys())
    assert_trees_equal(first, second)
    assert_trees_equal(state, before)


def test_a_step_changes_everything_it_should(step_and_state: tuple[TrainStep, TrainState]) -> None:
    step, state = step_and_state
    after, sums = step(state, first_batch(), make_keys())
    assert (int(after.step), after.step.dtype) == (1, jnp.int32)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    for name, layer in state.params.items():  # not every bias: batch norm takes some back out
        assert all(differs(layer[k], after.params[name][k]) for k in layer if k != "bias"), name
    for name, statistics in state.batch_stats.items():
        assert all(differs(statistics[k], after.batch_stats[name][k]) for k in statistics), name
    assert differs(state.opt_state, after.opt_state)
    # The first step's average is its own weights, and predicts.
    assert_trees_equal(after.average, {k: getattr(after, k) for k in ("params", "batch_stats")})
    assert after.variables is after.average
    assert set(sums) == set(METRICS)
    assert all(float(value) >= 0 for value in sums.values())


def test_what_is_random_depends_on_key_and_step(
    step_and_state: tuple[TrainStep, TrainState],
) -> None:
    step, state = step_and_state
    _, sums = step(state, first_batch(), make_keys())
    _, other_step = step(state.replace(step=state.step + 1), first_batch(), make_keys())
    assert differs(sums, other_step)
    for name in ("dropout", "augment"):
        keys = make_keys() | {name: named_key(1, name)}
        assert differs(sums, step(state, first_batch(), keys)[1]), name


@pytest.mark.parametrize("mixup", [0.0, 2.0])
def test_one_step_of_sgd_by_hand(mixup: float) -> None:
    # Without dropout and norms the loss is a plain function of the weights.
    loss, layers = "softmax_cross_entropy", {"dropout_rate": 0.0, "num_norms": 0}
    step, state = make_step(loss=loss, mixup=mixup, **layers)
    assert state.batch_stats == {}
    batch, model = first_batch(), tiny_model("cnn", **(LAYERS | layers))

    @jax.jit
    def by_hand(params: Any) -> Any:
        image, target_loss = batch["image"] / 128.0 - 1, LOSSES[loss]
        if mixup:  # by the second of the keys for what is done to images
            key = jax.random.split(jax.random.fold_in(make_keys()["augment"], 0))[1]
            image, target_loss = mix_up(image, target_loss, key, mixup)

        def logits_and_loss(params: Any) -> tuple[jax.Array, jax.Array]:
            logits: Any = model.apply({"params": params}, image)
            return target_loss(logits, batch["label"]).mean(), logits

        gradients, logits = jax.grad(logits_and_loss, has_aux=True)(params)
        return jax.tree.map(lambda p, g: p - 0.05 * g, params, gradients), logits

    after, sums = jax.jit(step)(state, batch, make_keys())
    params, logits = by_hand(state.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after.params, params)
    assert after.batch_stats == {}
    assert after.average == {}
    assert after.variables == {"params": after.params, "batch_stats": {}}
    # The sums are over the batch, before the update, against the images' own labels.
    for name in LOSSES:
        expected = float(LOSSES[name](logits, batch["label"]).sum())
        assert float(sums[name]) == pytest.approx(expected, rel=1e-4)
    num_right = int((np.argmax(logits, -1) == np.asarray(batch["label"])).sum())
    assert float(sums["categorical_accuracy"]) == num_right


def test_the_average_is_that_of_the_weights_after_every_step(
    step_and_state: tuple[TrainStep, TrainState],
) -> None:
    step, state = step_and_state
    expected: Any = None
    for number in range(4):
        state, _ = step(state, first_batch(), make_keys())
        now = {"params": state.params, "batch_stats": state.batch_stats}
        kept = min(AVERAGE_DECAY, (1 + number) / (10 + number)) if number else 0.0
        before = expected or now
        expected = jax.tree.map(
            lambda old, new, kept=kept: kept * old + (1 - kept) * new, before, now
        )
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
            state.average,
            expected,
        )
    assert differs(state.average["params"], state.params)


def run_order() -> jax.Array:
    random = np.random.default_rng(1)
    rows = [random.permutation(NUM_EXAMPLES).reshape(-1, BATCH_SIZE) for _ in range(2)]
    return jnp.asarray(np.concatenate(rows), jnp.int32)


@pytest.fixture(scope="module")
def run_steps(step_and_state: tuple[TrainStep, TrainState]) -> Callable[..., Any]:
    mesh = create_mesh(1)
    run = make_run_steps(step_and_state[0], split_by_example(mesh))

    def without_donation(state: TrainState, *args: Any) -> Any:
        # All of it where `run` leaves its results: else the next call is compiled anew.
        return run(*jax.device_put((jax.tree.map(jnp.copy, state), *args), replicated(mesh)))

    return without_donation


@pytest.mark.parametrize(
    "fields", [{}, {"augmented": True, "dropout_rate": 0.0}, {"mixup": 1.0, "dropout_rate": 0.0}]
)
def test_each_kind_of_chance_is_drawn_anew_at_every_step(fields: dict[str, Any]) -> None:
    """Dropout alone, mirror images and shifts alone, mixed pairs alone."""
    step, state = make_step(**fields)
    run = jax.jit(step)
    sums = [run(state.replace(step=number), first_batch(), make_keys())[1] for number in (0, 1)]
    assert differs(*sums)


def test_many_steps_in_one_call_are_the_single_ones(
    step_and_state: tuple[TrainStep, TrainState], run_steps: Callable[..., Any]
) -> None:
    step, state = step_and_state
    examples, order, keys = make_examples(), run_order(), make_keys()
    num_steps = len(order)
    together, together_sums = run_steps(state, zero_sums(), examples, order, 0, num_steps, keys)

    single, totals = state, dict.fromkeys(METRICS, 0.0)
    for rows in order:
        batch = jax.tree.map(lambda array, rows=rows: array[rows], examples)
        single, sums = step(single, batch, keys)
        totals = {name: totals[name] + float(sums[name]) for name in METRICS}
    assert int(together.step) == num_steps
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # noqa: E731
    jax.tree.map(close, together, single)
    for name in METRICS:
        assert float(together_sums[name]) == pytest.approx(totals[name], rel=1e-4)


def test_calls_of_any_length_lead_to_the_same_state(
    step_and_state: tuple[TrainStep, TrainState], run_steps: Callable[..., Any]
) -> None:
    _, state = step_and_state
    rest = make_examples(), run_order()
    whole = run_steps(state, zero_sums(), *rest, 0, 6, make_keys())
    parts = state, zero_sums()
    for first, last in ((0, 1), (1, 1), (1, 4), (4, 6)):
        parts = run_steps(*parts, *rest, first, last, make_keys())
    assert_trees_equal(whole, parts)


def test_no_steps_change_nothing(
    step_and_state: tuple[TrainStep, TrainState], run_steps: Callable[..., Any]
) -> None:
    _, state = step_and_state
    result = run_steps(state, zero_sums(), make_examples(), run_order(), 3, 3, make_keys())
    assert_trees_equal(result, (state, zero_sums()))


def test_the_loss_falls_on_a_batch_seen_again_and_again(
    step_and_state: tuple[TrainStep, TrainState], run_steps: Callable[..., Any]
) -> None:
    _, state = step_and_state
    order = jnp.tile(jnp.arange(BATCH_SIZE, dtype=jnp.int32), (6, 1))
    losses = []
    for _ in range(12):
        state, sums = run_steps(state, zero_sums(), make_examples(), order, 0, 6, make_keys())
        losses.append(float(sums["binary_cross_entropy"]) / order.size)
    assert losses[-1] < 0.75 * losses[0], losses


def losses_and_logits(num_devices: int) -> dict[str, list[float]]:
    """The loss after each of six steps over `num_devices` devices, and logits of the result."""
    mesh = create_mesh(num_devices)
    step, state = make_step(augmented=True, mixup=0.1, average_decay=AVERAGE_DECAY)
    run = make_run_steps(step, split_by_example(mesh))
    where = replicated(mesh)
    examples, order, keys = jax.device_put((make_examples(), run_order(), make_keys()), where)
    state, losses = jax.device_put(jax.tree.map(jnp.copy, state), where), []
    for index in range(len(order)):
        sums = jax.device_put(zero_sums(), where)
        state, sums = run(state, sums, examples, order, index, index + 1, keys)
        losses.append(float(sums["binary_cross_entropy"]) / BATCH_SIZE)
    predict = make_predict(
        tiny_model("cnn", **LAYERS),
        lambda image: image.astype(jnp.float32) / 128 - 1,
        mesh,
        np.asarray(make_examples()["image"])[:21],
        batch_size=16,
    )
    return {"losses": losses, "logits": predict(state.variables).ravel().tolist()}


_ON_EIGHT_DEVICES = """
import json
import jax
jax.config.update("jax_num_cpu_devices", 8)
from tests.training.test_train_step import losses_and_logits
assert len(jax.devices()) == 8
print(json.dumps([losses_and_logits(1), losses_and_logits(8)]))
"""


def test_eight_devices_train_and_predict_as_one_does() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _ON_EIGHT_DEVICES],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    one, eight = json.loads(result.stdout.splitlines()[-1])
    assert len(set(one["losses"])) == 6
    np.testing.assert_allclose(eight["losses"], one["losses"], rtol=1e-4)
    assert len(one["logits"]) == 21 * 4
    np.testing.assert_allclose(eight["logits"], one["logits"], rtol=1e-3, atol=1e-4)
