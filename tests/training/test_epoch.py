"""An epoch takes each batch once, in calls of the asked length, and averages over its images."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.evaluation.metrics import METRICS
from wbc_jax.training.epoch import run_epoch
from wbc_jax.training.train_state import TrainState


class FakeRunSteps:
    """Notes its calls; the state's weights are the rows taken, the sums grow by their labels."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, state, sums, examples, order, first, last, keys) -> Any:
        self.calls.append((first, last))
        rows = np.asarray(order)[first:last].ravel()
        total = float(np.asarray(examples["label"])[rows].sum())
        taken = state.params["rows"] + rows.tolist()
        return state.replace(params={"rows": taken}), {name: sums[name] + total for name in METRICS}


def run(steps_per_call: int, order: np.ndarray) -> Any:
    fake = FakeRunSteps()
    result = run_epoch(
        fake,
        TrainState(jnp.array(0), params={"rows": []}, batch_stats={}, opt_state=(), average={}),
        {"label": jnp.arange(10)},
        jnp.asarray(order),
        {},
        steps_per_call=steps_per_call,
        loss_name="softmax_cross_entropy",
        title="epoch 1",
    )
    return fake, result


@pytest.mark.parametrize(
    ("steps_per_call", "calls"),
    [
        (1, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
        (2, [(0, 2), (2, 4), (4, 5)]),
        (5, [(0, 5)]),
        (100, [(0, 5)]),
    ],
)
def test_every_step_is_run_once(steps_per_call: int, calls: list[tuple[int, int]]) -> None:
    order = np.random.default_rng(0).permutation(10).reshape(5, 2)
    fake, result = run(steps_per_call, order)
    assert fake.calls == calls
    assert result.state.params["rows"] == order.ravel().tolist()
    # The mean of the labels 0 to 9, whatever the calls' length.
    assert result.metrics == dict.fromkeys(METRICS, 4.5)
    assert result.seconds > 0


def test_the_mean_is_over_the_images_taken() -> None:
    _, result = run(1, np.array([[1, 2, 3], [4, 5, 9]]))
    assert result.metrics == dict.fromkeys(METRICS, 4.0)


def test_the_bar_counts_images_and_shows_the_loss_that_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[tuple[int, str]] = []

    def record(progress: Any, sums: Any, num_images: int, loss_name: str) -> None:
        shown.append((num_images, loss_name))

    monkeypatch.setattr("wbc_jax.training.epoch._show", record)
    run(2, np.arange(10).reshape(5, 2))
    assert shown == [(n, "softmax_cross_entropy") for n in (4, 8, 10)]


def test_what_the_bar_says(capsys: pytest.CaptureFixture[str]) -> None:
    from tqdm import tqdm

    from wbc_jax.training.epoch import _show

    sums = {"binary_cross_entropy": jnp.array(5.0), "categorical_accuracy": jnp.array(7.0)}
    with tqdm(total=20, unit=" images", disable=False, mininterval=0) as progress:
        _show(progress, sums, 10, "binary_cross_entropy")
        assert progress.n == 10
    assert "loss 0.5000, accuracy 70.0%" in capsys.readouterr().err
