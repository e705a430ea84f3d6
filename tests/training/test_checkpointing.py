"""Which checkpoints are kept, and what comes back from them."""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.errors import UserError
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.train_state import TrainState


def make_state(step: int, *, width: int = 3) -> TrainState:
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params={"Dense_0": {"kernel": jnp.arange(2.0 * width).reshape(2, width) + step}},
        batch_stats={},
        opt_state=({"momentum": jnp.full((2,), step / 7)}, ()),
        average={"params": {"w": jnp.full((3,), step / 3)}, "batch_stats": {}},
    )


def like(state: TrainState) -> TrainState:
    """What is expected, as a run gives it: shapes, dtypes and where they shall lie."""
    where = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), state
    )


def kept(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir())


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = make_state(7)
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, state, train_loss=0.5)
    with Checkpoints(tmp_path / "c") as checkpoints:
        epoch, restored = checkpoints.restore_latest(like(state))
    assert epoch == 1
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    for leaf, expected in zip(jax.tree.leaves(restored), jax.tree.leaves(state), strict=True):
        assert leaf.dtype == expected.dtype
        assert np.asarray(leaf).tobytes() == np.asarray(expected).tobytes()


def test_a_step_that_overwrites_the_state_does_not_reach_what_is_being_saved(
    tmp_path: Path,
) -> None:
    def make_large_state() -> TrainState:
        weights = jnp.arange(2.0**20)
        return TrainState(
            jnp.asarray(3), params={"w": weights}, batch_stats={}, opt_state=(), average={}
        )

    step = jax.jit(lambda state: jax.tree.map(lambda leaf: -leaf, state), donate_argnums=0)
    state = make_large_state()
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, state, train_loss=0.5)
        for _ in range(20):
            state = step(state)
        _, restored = checkpoints.restore_latest(like(make_large_state()))
    np.testing.assert_array_equal(restored.params["w"], make_large_state().params["w"])
    assert int(restored.step) == 3


@pytest.mark.parametrize(
    ("losses", "num_best", "expected"),
    [
        ([0.5, 0.2, 0.4, 0.3], 1, [2, 4]),
        ([0.5, 0.2, 0.4, 0.3], 2, [2, 4]),
        ([0.2, 0.5, 0.1, 0.3], 2, [1, 3, 4]),
        ([0.5, 0.4, 0.3], 1, [3]),
        ([0.1, 0.4, 0.3], 0, [3]),
        ([0.5, math.nan, 0.9], 1, [1, 3]),
        ([math.nan, 0.9, math.inf], 1, [2, 3]),
    ],
)
def test_the_latest_and_the_lowest_finite_loss_are_kept(
    losses: list[float], num_best: int, expected: list[int], tmp_path: Path
) -> None:
    with Checkpoints(tmp_path / "c", num_best=num_best) as checkpoints:
        for epoch, loss in enumerate(losses, start=1):
            checkpoints.save(epoch, make_state(epoch), train_loss=loss)
        assert checkpoints.latest() == len(losses)
        epoch, state = checkpoints.restore_latest(like(make_state(0)))
    assert kept(tmp_path / "c") == expected
    assert epoch == int(state.step) == len(losses)


def test_a_folder_without_checkpoints_says_to_train_first(tmp_path: Path) -> None:
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.latest() is None
        with pytest.raises(UserError, match="holds no checkpoint; train first"):
            checkpoints.restore_latest(like(make_state(0)))


@pytest.mark.parametrize("width", [2, 4])
def test_another_shape_is_refused_with_both_shapes(width: int, tmp_path: Path) -> None:
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, make_state(1), train_loss=0.5)
        with pytest.raises(UserError) as raised:
            checkpoints.restore_latest(like(make_state(1, width=width)))
    message = str(raised.value)
    assert "1 arrays differ, first params/Dense_0/kernel" in message
    assert "saved (2, 3) float32" in message
    assert f"expected (2, {width}) float32" in message


def test_another_dtype_is_refused_and_not_cast(tmp_path: Path) -> None:
    state = make_state(1)
    wanted = like(state.replace(step=jnp.zeros((), jnp.float32)))
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, state, train_loss=0.5)
        with pytest.raises(UserError, match=r"first step: saved \(\) int32, expected \(\) float32"):
            checkpoints.restore_latest(wanted)


def test_an_array_that_was_not_saved_is_named(tmp_path: Path) -> None:
    state = make_state(1)
    more = state.replace(params=state.params | {"Dense_1": {"kernel": jnp.zeros(2)}})
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, state, train_loss=0.5)
    with (
        Checkpoints(tmp_path / "c") as checkpoints,
        pytest.raises(UserError, match="first params/Dense_1/kernel: saved nothing"),
    ):
        checkpoints.restore_latest(like(more))


def test_the_best_of_an_earlier_start_outlives_a_resume(tmp_path: Path) -> None:
    for epoch, loss in ((1, 0.1), (2, 0.5), (3, 0.3)):
        with Checkpoints(tmp_path / "c") as checkpoints:
            checkpoints.save(epoch, make_state(epoch), train_loss=loss)
    assert kept(tmp_path / "c") == [1, 3]


def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path: Path) -> None:
    state = make_state(7)
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, state, train_loss=0.5)
    (tmp_path / "c" / "2").mkdir()
    with (
        Checkpoints(tmp_path / "c") as checkpoints,
        pytest.raises(UserError, match=r"c/2 is damaged .* move that folder away"),
    ):
        checkpoints.restore_latest(like(state))
