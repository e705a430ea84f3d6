"""Optimizer updates in C against their formulas in float64."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.nn.native.updates import adam_native, sgd_native

pytestmark = pytest.mark.usefixtures("native")

# A number, fewer than a register, and more than one task's share.
SHAPES: list[tuple[int, ...]] = [(), (3,), (5, 7, 2), (1 << 17, 1), (70_001,)]

Leaves = list[np.ndarray]


def assert_same(got: Any, exact: Any) -> None:
    def same(a: Any, b: Any) -> None:
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())

    jax.tree.map(same, tuple(got), exact)


def draw(seed: int) -> Leaves:
    random = np.random.default_rng(seed)
    return [np.asarray(random.normal(size=shape), np.float32) for shape in SHAPES]


def sgd(numbers: Any, gradients: Leaves, params: Leaves, traces: Leaves) -> tuple[Leaves, ...]:
    rate, momentum = numbers
    traces = [g + momentum * t for g, t in zip(gradients, traces, strict=True)]
    return [p - rate * t for p, t in zip(params, traces, strict=True)], traces


def adam(
    numbers: Any, gradients: Leaves, params: Leaves, means: Leaves, squares: Leaves
) -> tuple[Leaves, ...]:
    rate, b1, b2, correct_1, correct_2, epsilon = numbers
    means = [b1 * m + (1 - b1) * g for g, m in zip(gradients, means, strict=True)]
    squares = [b2 * s + (1 - b2) * g**2 for g, s in zip(gradients, squares, strict=True)]
    params = [
        p - rate * m * correct_1 / (np.sqrt(s * correct_2) + epsilon)
        for p, m, s in zip(params, means, squares, strict=True)
    ]
    return params, means, squares


RULES = {
    "sgd": (sgd_native, sgd, np.float32([0.1, 0.9]), 1),
    "adam": (adam_native, adam, np.float32([0.1, 0.9, 0.999, 1.7, 30.0, 1e-3]), 2),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("donated", [False, True])
def test_the_formulas(name: str, donated: bool) -> None:
    ours, formula, numbers, num_states = RULES[name]
    drawn = [draw(seed) for seed in range(2 + num_states)]
    drawn[-1] = [np.square(leaf) for leaf in drawn[-1]]
    exact = formula(
        numbers.astype(np.float64), *([leaf.astype(np.float64) for leaf in ls] for ls in drawn)
    )
    arguments = jax.tree.map(jnp.asarray, drawn)
    kept = range(1, 1 + len(drawn))
    update = jax.jit(ours, donate_argnums=tuple(kept)[1:] if donated else ())
    got = update(jnp.asarray(numbers), *arguments)
    assert_same(got, exact)
    if not donated:
        jax.tree.map(np.testing.assert_array_equal, arguments, drawn)


@pytest.mark.parametrize("name", RULES)
def test_many_steps_in_a_loop(name: str) -> None:
    ours, formula, numbers, num_states = RULES[name]
    gradients, *state = ([leaf / 10 for leaf in draw(seed)] for seed in range(2 + num_states))
    state[-1] = [np.square(leaf) for leaf in state[-1]]
    exact: Any = [[leaf.astype(np.float64) for leaf in leaves] for leaves in state]
    for step in range(5):
        exact = formula(numbers.astype(np.float64), [leaf * step for leaf in gradients], *exact)

    @jax.jit
    def run(gradients: Any, state: Any) -> Any:
        def body(step: Any, state: Any) -> Any:
            at_step = [leaf * step for leaf in gradients]
            return ours(jnp.asarray(numbers), at_step, *state)

        return jax.lax.fori_loop(0, 5, body, tuple(state))

    got = run(*jax.tree.map(jnp.asarray, (gradients, state)))
    assert_same(got, exact)


def test_what_is_no_number_stays_in_its_place() -> None:
    params, gradients = draw(0), draw(1)
    gradients[2][1, 2, 0] = np.nan
    arrays = jax.tree.map(jnp.asarray, (gradients, params, draw(2)))
    for leaves in sgd_native(jnp.asarray([0.1, 0.9]), *arrays):
        lost = [np.argwhere(np.isnan(leaf)).tolist() for leaf in leaves]
        assert lost == [[], [], [[1, 2, 0]], [], []]
