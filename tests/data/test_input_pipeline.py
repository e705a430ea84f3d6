"""An epoch takes every example at most once, in an order that only key and epoch decide."""

import jax
import numpy as np
import pytest

from wbc_jax.data.examples import Examples
from wbc_jax.data.input_pipeline import epoch_order, put_examples
from wbc_jax.training.sharding import create_mesh, replicated


def order_of(
    epoch: int, *, seed: int = 0, num_examples: int = 50, batch_size: int = 8
) -> np.ndarray:
    key = jax.random.key(seed)
    return np.asarray(epoch_order(key, epoch, num_examples=num_examples, batch_size=batch_size))


def test_no_example_is_taken_twice() -> None:
    order = order_of(0)
    assert order.shape == (6, 8)
    assert len(np.unique(order)) == 48
    assert order.min() >= 0
    assert order.max() < 50


@pytest.mark.parametrize("batch_size", [5, 50])
def test_all_examples_are_taken_where_batches_divide_them(batch_size: int) -> None:
    assert sorted(order_of(3, batch_size=batch_size).ravel()) == list(range(50))


def test_the_order_is_shuffled_and_differs_by_epoch_and_key() -> None:
    first = order_of(0)
    assert not np.array_equal(first.ravel(), np.arange(48))
    assert not np.array_equal(first, order_of(1))
    assert not np.array_equal(first, order_of(0, seed=1))
    np.testing.assert_array_equal(first, order_of(0))


def test_over_the_epochs_no_example_is_left_out() -> None:
    left_out = [set(range(50)) - set(order_of(epoch).ravel()) for epoch in range(6)]
    assert all(len(rows) == 2 for rows in left_out)
    assert len(set.union(*left_out)) > 6


def test_examples_reach_the_devices_unchanged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 2, 2, 1), dtype=np.uint8)
    label = np.array([2, 0, 1], np.int64)
    sharding = replicated(create_mesh(1))
    on_device = put_examples(Examples(image, label, np.array(["a", "b", "c"])), sharding)
    assert on_device.keys() == {"image", "label"}
    assert on_device["image"].dtype == np.uint8
    assert on_device["label"].dtype == np.int32
    assert all(array.sharding == sharding for array in on_device.values())
    np.testing.assert_array_equal(on_device["image"], image)
    np.testing.assert_array_equal(on_device["label"], label)
