"""Protocols: which examples of which data set are train, validation and test.

protocol = get_protocol("official")
partition = protocol.divide({"TRAIN": examples, ...}, Draw(seed=0, validation_share=0.2))
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wbc_jax.data.divisions import hold_out_slides, hold_out_smears, shared_smears
from wbc_jax.data.examples import Examples
from wbc_jax.data.splitting import (
    NUM_FOLDS,
    PAPER_NUM_IMAGES,
    PAPER_NUM_TEST,
    TEST_SHARE,
    Draw,
    Split,
    Splits,
    as_given,
    one_fold,
    one_fold_of_slides,
    random_holdout,
    random_holdout_of_some_smears,
    smear_holdout,
    stratified_rows,
    within,
    without_scenes_of,
)
from wbc_jax.errors import UserError


class Partition(NamedTuple):
    """The parts of a protocol, with no example in common; validation may be empty."""

    train: Examples
    validation: Examples
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
        split: training and test examples of a draw.
        is_leaky: whether copies of one smear may be on both sides.
        num_folds: how many values `Draw.fold` may take.
        holds_slides_out: whether validation is held out by slides, with cells of several classes
            on each, and not by smears of one class.
    """

    name: str
    dataset: str
    splits: tuple[str, ...]
    description: str
    warnings: tuple[str, ...]
    split: Split
    is_leaky: bool = False
    num_folds: int = 1
    holds_slides_out: bool = False

    def require_valid(self, draw: Draw) -> None:
        """Checks that there is such a division.

        Raises:
            UserError: seed, fold or share of validation are out of range.
        """
        if not 0 <= draw.seed < 2**32:
            raise UserError(f"seed={draw.seed} must lie in [0, 2^32), the range of a random key")
        if not 0 <= draw.fold < self.num_folds:
            folded = ", ".join(name for name, one in PROTOCOLS.items() if one.num_folds > 1)
            raise UserError(
                f"data.fold={draw.fold} must lie in [0, {self.num_folds}): {self.name} has "
                f"{self.num_folds} fold(s); {folded} have {NUM_FOLDS}"
            )
        if not 0 <= draw.validation_share < 1:
            raise UserError(
                f"data.validation_share={draw.validation_share} must lie in [0, 1): the share of "
                "the training smears to hold out; 0 holds out none"
            )

    def divide(self, splits: Splits, draw: Draw) -> Partition:
        """Returns the parts.

        Raises:
            UserError: the draw is out of range, or a class has too few examples to be divided.
            RuntimeError: a protocol that promises otherwise has put a smear on two sides.
        """
        self.require_valid(draw)
        train, test = self.split(splits, draw)
        if not self.is_leaky:
            train = without_scenes_of(test, train)
        validation = train.take(np.arange(0))
        if draw.validation_share:
            rows = self._hold_out(train, draw)
            train, validation = train.take(rows[0]), train.take(rows[1])
            if not self.is_leaky:
                train = without_scenes_of(validation, train)
        partition = Partition(train, validation, test)
        shared = shared_smears(*(part.scene for part in partition)) or shared_smears(
            *(part.source for part in partition)
        )
        if shared and not self.is_leaky:
            raise RuntimeError(f"protocol {self.name} has put {shared[0]} on two sides")
        return partition

    def _hold_out(self, train: Examples, draw: Draw) -> tuple[np.ndarray, np.ndarray]:
        if self.is_leaky:  # as it divides train and test: by image
            return stratified_rows(train.label, draw.validation_share, draw.seed)
        hold_out = hold_out_slides if self.holds_slides_out else hold_out_smears
        return hold_out(train.label, train.source, share=draw.validation_share, seed=draw.seed)


_SYNTHETIC_WARNING = (
    "Synthetic drawings, not cells: these figures say whether the code works and nothing about "
    "blood."
)
_LEAK_WARNING = (
    "LEAKY PROTOCOL: the images are augmented copies of {num_smears} smears, divided at random, so "
    "copies of the same smear are on both sides. These figures do not show how well unseen smears "
    "are classified; use :paper_grouped, :official or :crossval for that."
)
_INCOMPLETE_WARNING = (
    "BCCD's annotation is incomplete: some photographs have no red cell annotated at all, others "
    "lack many in clumps and at the edges. A detector that finds such a cell is charged with a "
    "false one, so precision and count errors of RBC are partly the annotation's."
)
_OWN_WARNING = (
    "Pictures that share a folder below their class are one smear; one without such a folder "
    "counts as a smear by itself. Where such are copies of one another, or of one slide or person, "
    "they may be on two sides: --mode=audit finds copies."
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
            split=as_given("train", "test"),
        ),
        Protocol(
            name="smoke",
            dataset="synthetic_smears/smoke",
            splits=("train", "test"),
            description="A handful of embedded drawings, to see that everything runs.",
            warnings=(_SYNTHETIC_WARNING,),
            split=as_given("train", "test"),
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
            split=random_holdout,
            is_leaky=True,
        ),
        Protocol(
            name="paper_grouped",
            dataset="blood_cells",
            splits=("TEST",),
            description=(
                f"The paper's {PAPER_NUM_IMAGES} images, divided by smear: all copies of a fifth "
                "of the smears of every class, drawn by seed, to test; no smear is in both."
            ),
            warnings=(),
            split=smear_holdout,
        ),
        Protocol(
            name="paper_dev",
            dataset="blood_cells",
            splits=("TRAIN", "TEST"),
            description=(
                "The paper's division of the copies of 71 smears drawn by seed from TRAIN, as many "
                "of each class as TEST has: to choose settings by, without seeing an image or a "
                "cell of TEST."
            ),
            warnings=(_LEAK_WARNING.format(num_smears=71),),
            split=within("TRAIN", random_holdout_of_some_smears, apart_from="TEST"),
            is_leaky=True,
        ),
        Protocol(
            name="official",
            dataset="blood_cells",
            splits=("TRAIN", "TEST"),
            description=(
                "The data set's own: TRAIN to train, less the smears held out of it for "
                "validation and those that show a place of TEST, TEST to test; no smear is on two "
                "sides."
            ),
            warnings=(),
            split=as_given("TRAIN", "TEST"),
        ),
        Protocol(
            name="official_dev",
            dataset="blood_cells",
            splits=("TRAIN", "TEST"),
            description=(
                f"One of {NUM_FOLDS} folds over the smears of TRAIN, drawn by seed, to test, the "
                "others to train: to choose settings by, without seeing an image or a cell of TEST."
            ),
            warnings=(),
            split=within("TRAIN", one_fold, apart_from="TEST"),
            num_folds=NUM_FOLDS,
        ),
        Protocol(
            name="crossval",
            dataset="blood_cells",
            splits=("TRAIN", "TEST"),
            description=(
                f"One of {NUM_FOLDS} folds over the smears of TRAIN and TEST, drawn by seed, to "
                "test; the others to train, less the smears held out for validation."
            ),
            warnings=(),
            split=one_fold,
            num_folds=NUM_FOLDS,
        ),
        Protocol(
            name="lisc",
            dataset="lisc",
            splits=("all",),
            description=(
                f"{TEST_SHARE:.0%} of every class, drawn by seed, to test; the rest to train."
            ),
            warnings=(),
            split=smear_holdout,
        ),
        Protocol(
            name="own",
            dataset="own",
            splits=("all",),
            description=(
                f"One of {NUM_FOLDS} folds over the smears of the user's own pictures, drawn by "
                "seed, to test; the others to train, less the smears held out for validation."
            ),
            warnings=(_OWN_WARNING,),
            split=one_fold_of_slides,
            num_folds=NUM_FOLDS,
            holds_slides_out=True,
        ),
        Protocol(
            name="bccd",
            dataset="bccd",
            splits=("train", "val"),
            description=(
                "The data set's own: train to train, less the photographs that show a place of "
                "val, val to test; for detectors."
            ),
            warnings=(_INCOMPLETE_WARNING,),
            split=as_given("train", "val"),
        ),
        Protocol(
            name="bccd_dev",
            dataset="bccd",
            splits=("train", "val"),
            description=(
                f"One of {NUM_FOLDS} folds over the photographs of train, drawn by seed, to test, "
                "the others to train: to choose settings by, without seeing a photograph or a "
                "place of val."
            ),
            warnings=(_INCOMPLETE_WARNING,),
            split=within("train", one_fold, apart_from="val"),
            num_folds=NUM_FOLDS,
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
