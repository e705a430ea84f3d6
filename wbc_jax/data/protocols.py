"""Protocols: which examples of which data set are train and test.

protocol = get_protocol("paper")
partition = protocol.divide(splits, 0)               # splits: {"TEST": Examples}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from wbc_jax.data.examples import Examples, concatenate
from wbc_jax.errors import UserError

Splits = Mapping[str, Examples]

PAPER_NUM_IMAGES = 2487  # of the TEST split; the paper's own count, 2497, is 10 too many
PAPER_NUM_TEST = 500  # the paper, section III.A
LISC_TEST_SHARE = 0.2  # ours: about 50 of 250 images


class Partition(NamedTuple):
    """The two parts of a protocol, with no example in common."""

    train: Examples
    test: Examples


@dataclass(frozen=True)
class Protocol:
    """A way to divide a data set.

    Attributes:
        name: as in `--config=configs/alexnet.py:NAME`.
        dataset: name in the catalogue.
        splits: the data set's splits that it needs.
        description: one sentence for the report.
        warnings: what a reader of its figures must know before believing them.
        divide: splits, seed to train and test.
    """

    name: str
    dataset: str
    splits: tuple[str, ...]
    description: str
    warnings: tuple[str, ...]
    divide: Callable[[Splits, int], Partition]


def _as_given(train_split: str, test_split: str) -> Callable[[Splits, int], Partition]:
    """Trains on one split of the data set and tests on another."""

    def divide(splits: Splits, seed: int) -> Partition:
        del seed  # nothing is drawn
        return Partition(splits[train_split], splits[test_split])

    return divide


def _random_holdout(splits: Splits, seed: int) -> Partition:
    """Tests on 500 of 2487 examples drawn at random, trains on the others, as the paper does."""
    examples = concatenate(list(splits.values()))
    order = np.random.default_rng(seed).permutation(len(examples.label))[:PAPER_NUM_IMAGES]
    return Partition(
        train=examples.take(np.sort(order[PAPER_NUM_TEST:])),
        test=examples.take(np.sort(order[:PAPER_NUM_TEST])),
    )


def stratified_rows(
    labels: Int[np.ndarray, " n"], share: float, seed: int
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
    """Draws the same share of every class for the test, at least one example of each.

    Args:
        labels: classes; every class that occurs needs at least two examples.
        share: of each class that is tested on, in (0, 1).
        seed: of the draw.

    Returns:
        Rows of train and of test, ascending.

    Raises:
        UserError: a class has a single example, which cannot be on both sides.
    """
    random = np.random.default_rng(seed)
    test: list[np.ndarray] = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            raise UserError(
                f"class {label} has {len(rows)} image; a stratified division needs at least 2 of "
                "each class: add images or leave the class out"
            )
        num_test = min(max(1, round(share * len(rows))), len(rows) - 1)
        test.append(random.permutation(rows)[:num_test])
    test_rows = np.sort(np.concatenate(test))
    return np.setdiff1d(np.arange(len(labels)), test_rows), test_rows


def _stratified_holdout(splits: Splits, seed: int) -> Partition:
    """Tests on a fifth of every class."""
    examples = concatenate(list(splits.values()))
    train, test = stratified_rows(examples.label, LISC_TEST_SHARE, seed)
    return Partition(examples.take(train), examples.take(test))


_SYNTHETIC_WARNING = (
    "Synthetic drawings, not cells: these figures say whether the code works and nothing about "
    "blood."
)
_LEAK_WARNING = (
    "LEAKY PROTOCOL: the images are augmented copies of {num_smears} smears, divided at random, so "
    "copies of the same smear are on both sides. These figures do not show how well unseen smears "
    "are classified; use :official for that."
)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="synthetic",
            dataset="synthetic_smears/default",
            splits=("train", "test"),
            description="Train and test split of the embedded drawings; no smear is in both.",
            warnings=(_SYNTHETIC_WARNING,),
            divide=_as_given("train", "test"),
        ),
        Protocol(
            name="smoke",
            dataset="synthetic_smears/smoke",
            splits=("train", "test"),
            description="A handful of embedded drawings, to see that everything runs.",
            warnings=(_SYNTHETIC_WARNING,),
            divide=_as_given("train", "test"),
        ),
        Protocol(
            name="paper",
            dataset="blood_cells",
            splits=("TEST",),
            description=(
                f"The paper's: {PAPER_NUM_TEST} of the {PAPER_NUM_IMAGES} images of the TEST "
                "split, drawn at random by seed, to test; the rest to train."
            ),
            warnings=(_LEAK_WARNING.format(num_smears=71),),
            divide=_random_holdout,
        ),
        Protocol(
            name="paper_dev",
            dataset="blood_cells",
            splits=("TRAIN",),
            description=(
                f"The paper's division of {PAPER_NUM_IMAGES} images drawn by seed from TRAIN, "
                "whose smears are not those of TEST: to choose settings by, without seeing an "
                "image that :paper or :official tests on."
            ),
            warnings=(_LEAK_WARNING.format(num_smears=277),),
            divide=_random_holdout,
        ),
        Protocol(
            name="official",
            dataset="blood_cells",
            splits=("TRAIN", "TEST"),
            description="The data set's own: TRAIN to train, TEST to test; no smear is in both.",
            warnings=(),
            divide=_as_given("TRAIN", "TEST"),
        ),
        Protocol(
            name="lisc",
            dataset="lisc",
            splits=("all",),
            description=(
                f"{LISC_TEST_SHARE:.0%} of every class, drawn by seed, to test; the rest to train."
            ),
            warnings=(),
            divide=_stratified_holdout,
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    """Returns the protocol called `name`.

    Raises:
        UserError: there is none.
    """
    if name not in PROTOCOLS:
        raise UserError(f"protocol {name!r} is not known; there are: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
