"""An epoch takes each batch once, in calls of the asked length, and averages over its images."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.evaluation.metrics import METRICS
from wbc_jax.training.epoch import run_epoch
from wbc_jax.training.train_state import Progress, TrainState


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


def run(steps_per_call: int, order: np.ndarray, sums: float = 0.0, **kwargs: Any) -> Any:
    fake = FakeRunSteps()
    result = run_epoch(
        fake,
        Progress(
            TrainState(jnp.array(0), params={"rows": []}, batch_stats={}, opt_state=(), average={}),
            {name: jnp.asarray(sums) for name in METRICS},
        ),
        {"label": jnp.arange(10)},
        jnp.asarray(order),
        {},
        steps_per_call=steps_per_call,
        loss_name="softmax_cross_entropy",
        title="epoch 1",
        **kwargs,
    )
    return fake, result


@pytest.mark.parametrize(
    ("steps_per_call", "calls"),
    [
        (1, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
        (2, [(0, 1), (1, 2), (2, 4), (4, 5)]),
        (5, [(0, 1), (1, 2), (2, 5)]),
        (100, [(0, 1), (1, 2), (2, 5)]),
    ],
)
def test_every_step_is_run_once(steps_per_call: int, calls: list[tuple[int, int]]) -> None:
    order = np.random.default_rng(0).permutation(10).reshape(5, 2)
    fake, result = run(steps_per_call, order)
    assert fake.calls == calls
    assert result.progress.state.params["rows"] == order.ravel().tolist()
    # The mean of the labels 0 to 9, whatever the calls' length.
    assert result.metrics == dict.fromkeys(METRICS, 4.5)
    assert result.seconds > 0


def test_an_epoch_is_gone_on_with_where_it_was_left() -> None:
    """Two of five steps were done before, with labels that sum up to 10, in 100 seconds."""
    order = np.arange(10).reshape(5, 2)
    fake, result = run(2, order, sums=6.0, first=2, seconds=100.0)
    assert fake.calls == [(2, 3), (3, 4), (4, 5)]
    assert result.metrics == dict.fromkeys(METRICS, 4.5)
    assert 100 < result.seconds < 200


def test_an_epoch_of_which_all_steps_were_done_is_only_counted() -> None:
    fake, result = run(2, np.arange(10).reshape(5, 2), sums=45.0, first=5)
    assert fake.calls == []
    assert result.metrics == dict.fromkeys(METRICS, 4.5)


def test_what_is_saved_within_an_epoch_is_what_a_call_left() -> None:
    saved: list[tuple[int, list[int], float]] = []

    def save(step: int, progress: Progress, seconds: float) -> None:
        assert seconds > 0
        saved.append((step, progress.state.params["rows"], progress.sums["binary_accuracy"]))

    order = np.arange(10).reshape(5, 2)
    fake, _ = run(2, order, save_after=[1, 4], save=save)
    assert fake.calls == [(0, 1), (1, 2), (2, 4), (4, 5)]
    assert saved == [(1, [0, 1], 1.0), (4, list(range(8)), 28.0)]


def test_slow_steps_are_taken_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr("wbc_jax.training.epoch.time.perf_counter", lambda: float(next(clock)))
    fake, _ = run(100, np.arange(10).reshape(5, 2))
    assert fake.calls == [(step, step + 1) for step in range(5)]


def test_an_epoch_that_is_stopped_is_left_after_a_call() -> None:
    answers = iter([False, False, True])
    fake, result = run(2, np.arange(10).reshape(5, 2), is_stopped=lambda: next(answers))
    assert fake.calls == [(0, 1), (1, 2)]
    assert result.progress.state.params["rows"] == [0, 1, 2, 3]


def test_the_mean_is_over_the_images_taken() -> None:
    _, result = run(1, np.array([[1, 2, 3], [4, 5, 9]]))
    assert result.metrics == dict.fromkeys(METRICS, 4.0)


def test_the_bar_counts_images_and_shows_the_loss_that_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[tuple[int, str]] = []

    def record(progress: Any, sums: Any, num_images: int, loss_name: str, words: Any) -> None:
        shown.append((num_images, loss_name))

    monkeypatch.setattr("wbc_jax.training.epoch._show", record)
    run(2, np.arange(10).reshape(5, 2))
    assert shown == [(n, "softmax_cross_entropy") for n in (2, 4, 8, 10)]


def test_what_the_bar_says(capsys: pytest.CaptureFixture[str]) -> None:
    from tqdm import tqdm

    from wbc_jax.training.epoch import _show

    sums = {"binary_cross_entropy": jnp.array(5.0), "categorical_accuracy": jnp.array(7.0)}
    with tqdm(total=20, unit=" images", disable=False, mininterval=0) as progress:
        words = {"categorical_accuracy": "accuracy", "f1_RBC": "RBC F1"}  # not summed: not shown
        _show(progress, sums, 10, "binary_cross_entropy", words)
        assert progress.n == 10
    assert "loss 0.5000, accuracy 70.0%" in capsys.readouterr().err
