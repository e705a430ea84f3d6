"""The ways to divide a data set into training and test examples, one function each.

train, test = smear_holdout({"TEST": examples}, Draw(seed=0))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from wbc_jax.data.divisions import draw_smears, hold_out_smears, slide_folds, smear_folds
from wbc_jax.data.examples import Examples, concatenate
from wbc_jax.datasets.catalog import UNRESOLVED

Splits = Mapping[str, Examples]

PAPER_NUM_IMAGES = 2487  # of the TEST split; the paper's own count, 2497, is 10 too many
PAPER_NUM_TEST = 500  # the paper, section III.A
TEST_SHARE = 0.2  # of the smears: the paper's 500 of 2487 images; about 50 of LISC's 250
NUM_FOLDS = 5
TEST_SMEARS = (13, 6, 4, 48)  # of each class in TEST


@dataclass(frozen=True)
class Draw:
    """What a division depends on besides the images.

    Attributes:
        seed: of everything that is drawn.
        validation_share: of the training part (of its smears, by class; of its images where the
            protocol divides images) that is held out for validation, in [0, 1); 0: nothing.
        fold: which fold is tested on, from 0; protocols without folds take 0 only.
    """

    seed: int
    validation_share: float = 0.0
    fold: int = 0


# Returns training and test examples.
Split = Callable[[Splits, Draw], tuple[Examples, Examples]]


def without_scenes_of(tested: Examples, trained: Examples) -> Examples:
    """Leaves out what shows a place that is tested on, in another photograph of it.

    Copies of unknown smears stay where the split itself keeps them apart.
    """
    overlaps = np.isin(trained.scene, tested.scene) & (trained.scene != UNRESOLVED)
    return trained.take(np.flatnonzero(~overlaps))


def as_given(train_split: str, test_split: str) -> Split:
    """Trains on one split of the data set and tests on another."""

    def split(splits: Splits, draw: Draw) -> tuple[Examples, Examples]:
        del draw  # nothing is drawn
        return splits[train_split], splits[test_split]

    return split


def within(split_name: str, split: Split, *, apart_from: str) -> Split:
    """Divides one split of the data set, less what shows a place of another split.

    Args:
        split_name: the one that is divided.
        split: the way to divide it.
        apart_from: the other one.
    """

    def split_within(splits: Splits, draw: Draw) -> tuple[Examples, Examples]:
        return split({split_name: without_scenes_of(splits[apart_from], splits[split_name])}, draw)

    return split_within


def random_holdout(splits: Splits, draw: Draw) -> tuple[Examples, Examples]:
    """Tests on 500 examples drawn at random, trains on the others, as the paper does."""
    return _hold_out_images(concatenate(list(splits.values())), draw.seed)


def random_holdout_of_some_smears(splits: Splits, draw: Draw) -> tuple[Examples, Examples]:
    """The same with the copies of as many smears of each class as TEST has."""
    examples = concatenate(list(splits.values()))
    rows = draw_smears(examples.label, examples.source, counts=TEST_SMEARS, seed=draw.seed)
    return _hold_out_images(examples.take(rows), draw.seed)


def _hold_out_images(examples: Examples, seed: int) -> tuple[Examples, Examples]:
    order = np.random.default_rng(seed).permutation(len(examples.label))[:PAPER_NUM_IMAGES]
    return (
        examples.take(np.sort(order[PAPER_NUM_TEST:])),
        examples.take(np.sort(order[:PAPER_NUM_TEST])),
    )


def smear_holdout(splits: Splits, draw: Draw) -> tuple[Examples, Examples]:
    """Tests on a fifth of the smears of every class."""
    examples = concatenate(list(splits.values()))
    train, test = hold_out_smears(examples.label, examples.source, share=TEST_SHARE, seed=draw.seed)
    return examples.take(train), examples.take(test)


def one_fold(splits: Splits, draw: Draw) -> tuple[Examples, Examples]:
    """Tests on one fold of the smears, trains on the others."""
    return _one_fold(splits, draw, smear_folds)


def one_fold_of_slides(splits: Splits, draw: Draw) -> tuple[Examples, Examples]:
    """The same of slides, with cells of several classes on each."""
    return _one_fold(splits, draw, slide_folds)


def _one_fold(
    splits: Splits, draw: Draw, deal: Callable[..., Int[np.ndarray, " n"]]
) -> tuple[Examples, Examples]:
    examples = concatenate(list(splits.values()))
    folds = deal(examples.label, examples.source, num_folds=NUM_FOLDS, seed=draw.seed)
    is_test = folds == draw.fold
    return (
        examples.take(np.flatnonzero((folds >= 0) & ~is_test)),
        examples.take(np.flatnonzero(is_test)),
    )


def stratified_rows(
    labels: Int[np.ndarray, " n"], share: float, seed: int
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " held"]]:
    """Draws the same share of every class, at least one example of each.

    Args:
        labels: classes; every class that occurs needs at least two examples.
        share: of each class that is held out, in (0, 1).
        seed: of the draw.

    Returns:
        Rows that stay and rows held out, ascending.

    Raises:
        UserError: a class has a single example, which cannot be on both sides.
    """
    names = np.arange(len(labels)).astype(np.str_)  # every image a smear of its own
    return hold_out_smears(labels, names, share=share, seed=seed)
