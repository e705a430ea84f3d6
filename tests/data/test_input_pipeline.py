"""An epoch takes every example at most once, in an order that only key and epoch decide.

Or every example as often as its share says.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.data.random_smears import draw_examples, make_examples
from wbc_jax.data.examples import Examples
from wbc_jax.data.input_pipeline import (
    BALANCES,
    epoch_order,
    image_and_label,
    sampling_shares,
)
from wbc_jax.data.replication import put_everywhere
from wbc_jax.errors import UserError
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
    names = np.array(["a", "b", "c"])
    examples = Examples(image, label, names, names, names)
    on_device = put_everywhere(image_and_label(examples), sharding)
    assert on_device.keys() == {"image", "label"}
    assert on_device["image"].dtype == np.uint8
    assert on_device["label"].dtype == np.int32
    assert all(array.sharding == sharding for array in on_device.values())
    np.testing.assert_array_equal(on_device["image"], image)
    np.testing.assert_array_equal(on_device["label"], label)


# Class 0: smear a three times, b once; class 1: c twice, d twice, e four times; class 2: f.
UNEVEN = make_examples([0] * 4 + [1] * 8 + [2], list("aaab" + "ccddeeee" + "f"))


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        ("classes", [1 / 12] * 4 + [1 / 24] * 8 + [1 / 3]),
        ("smears", [1 / 18] * 3 + [1 / 6] + [1 / 18] * 4 + [1 / 36] * 4 + [1 / 3]),
    ],
)
def test_shares_by_hand(balance: str, expected: list[float]) -> None:
    shares = sampling_shares(UNEVEN, balance)
    assert shares is not None
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, expected, rtol=1e-6)


def test_shares_of_classes_and_smears_are_even_whatever_the_numbers_of_copies() -> None:
    examples = draw_examples((3, 40, 11), seed=0, most_copies=30)
    smears, classes = sampling_shares(examples, "smears"), sampling_shares(examples, "classes")
    assert smears is not None
    assert classes is not None
    for shares in (smears, classes):
        totals = [shares[examples.label == label].sum() for label in range(3)]
        np.testing.assert_allclose(totals, 1 / 3, rtol=1e-5)
    for label, count in enumerate((3, 40, 11)):
        names = np.unique(examples.source[examples.label == label])
        totals = [smears[examples.source == name].sum() for name in names]
        np.testing.assert_allclose(totals, 1 / 3 / count, rtol=1e-5)
        of_class = classes[examples.label == label]
        np.testing.assert_allclose(of_class, of_class[0], rtol=1e-6)


def test_a_smear_that_has_two_labels_counts_in_each_class_as_any_other() -> None:
    examples = make_examples([0, 0, 0, 1, 1], ["a", "both", "both", "both", "b"])
    shares = sampling_shares(examples, "smears")
    np.testing.assert_allclose(shares, [0.25, 0.125, 0.125, 0.25, 0.25], rtol=1e-6)


def test_without_balance_there_are_no_shares() -> None:
    assert sampling_shares(UNEVEN, "none") is None


def test_an_unknown_balance_is_refused() -> None:
    assert BALANCES == ("none", "classes", "smears")
    with pytest.raises(UserError, match=r"data\.balance='copies' .* choose one of none, classes"):
        sampling_shares(UNEVEN, "copies")


def test_examples_are_taken_as_often_as_their_shares_say() -> None:
    shares = jnp.asarray(sampling_shares(UNEVEN, "smears"))
    order = partial(epoch_order, num_examples=13, batch_size=6, shares=shares)
    orders = jax.vmap(order, in_axes=(None, 0))(jax.random.key(0), jnp.arange(1000))
    taken = np.ravel(orders)
    assert len(taken) == 12_000  # as many steps as without shares
    counts = np.bincount(taken, minlength=13)
    expected = np.asarray(shares, np.float64) * len(taken)
    assert (np.abs(counts - expected) < 4.5 * np.sqrt(expected)).all()


def test_the_order_by_shares_differs_by_epoch_and_key_alone() -> None:
    shares = jnp.asarray(sampling_shares(UNEVEN, "classes"))

    def order(epoch: int, seed: int = 0) -> list[int]:
        key = jax.random.key(seed)
        rows = epoch_order(key, epoch, num_examples=13, batch_size=6, shares=shares)
        assert rows.shape == (2, 6)
        return rows.ravel().tolist()

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1) != order(1, seed=1)
