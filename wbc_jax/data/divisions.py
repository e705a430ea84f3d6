"""Draws which smears stand on which side, so that no smear is on two.

    train, test = hold_out_smears(labels, sources, share=0.2, seed=0)        # rows
    folds = smear_folds(labels, sources, num_folds=5, seed=0)                # fold of each row

Every draw is stratified by class at the level of the smear: its copies go where it goes. Of smears
with many cells of several classes, as slides are, `slide_folds` evens out the cells.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Shaped

from wbc_jax.datasets.catalog import CLASSES_WITH_BASOPHIL, UNRESOLVED
from wbc_jax.errors import UserError

_MOST_FOLDS = 20  # of which some are held out: a share to the nearest twentieth is near enough


def hold_out_smears(
    labels: Int[np.ndarray, " n"], sources: Shaped[np.ndarray, " n"], *, share: float, seed: int
) -> tuple[Int[np.ndarray, " stay"], Int[np.ndarray, " held"]]:
    """Holds out the same share of the smears of every class, at least one of each.

    Args:
        labels: class of each example.
        sources: its smear; every class that occurs needs at least two.
        share: of a class's smears that is held out, in (0, 1).
        seed: of the draw.

    Returns:
        Rows that stay and rows held out, ascending. Unresolved copies are in neither: which side
        they belong to is not known.

    Raises:
        UserError: a class has a single smear, which cannot be on both sides.
    """
    random = np.random.default_rng(seed)
    held: list[str] = []
    for label, smears in _smears_by_class(labels, sources).items():
        if len(smears) < 2:
            raise UserError(
                f"class {label} has {len(smears)} smear; holding smears out needs at least 2 of "
                "each class: add images or leave the class out"
            )
        count = min(max(1, round(share * len(smears))), len(smears) - 1)
        held += random.permutation(smears)[:count].tolist()
    is_held, is_known = np.isin(sources, held), sources != UNRESOLVED
    return np.flatnonzero(is_known & ~is_held), np.flatnonzero(is_known & is_held)


def draw_smears(
    labels: Int[np.ndarray, " n"],
    sources: Shaped[np.ndarray, " n"],
    *,
    counts: Sequence[int],
    seed: int,
) -> Int[np.ndarray, " drawn"]:
    """Returns the rows of all copies of some smears, ascending.

    Args:
        labels: class of each example.
        sources: its smear.
        counts: how many smears of each class, from class 0; all of a class that has fewer.
        seed: of the draw.
    """
    random = np.random.default_rng(seed)
    by_class = _smears_by_class(labels, sources)
    drawn = [random.permutation(smears)[: counts[label]] for label, smears in by_class.items()]
    return np.flatnonzero(np.isin(sources, np.concatenate(drawn)))


def smear_folds(
    labels: Int[np.ndarray, " n"], sources: Shaped[np.ndarray, " n"], *, num_folds: int, seed: int
) -> Int[np.ndarray, " n"]:
    """Deals the smears of every class out to folds, as evenly as they go.

    Args:
        labels: class of each example.
        sources: its smear.
        num_folds: at least 2.
        seed: of the draw.

    Returns:
        The fold of each example, from 0; -1 for unresolved copies, which belong to none.

    Raises:
        UserError: a class has fewer smears than there are folds.
    """
    random = np.random.default_rng(seed)
    folds = np.full(len(labels), -1)
    first = 0
    for label, smears in _smears_by_class(labels, sources).items():
        if len(smears) < num_folds:
            raise UserError(
                f"class {label} has {len(smears)} smears, fewer than the {num_folds} folds; add "
                "images or leave the class out"
            )
        for place, smear in enumerate(random.permutation(smears)):
            # A class starts where the one before ended: its surplus fills the smaller folds.
            folds[sources == smear] = (first + place) % num_folds
        first += len(smears)
    return folds


def slide_folds(
    labels: Int[np.ndarray, " n"], sources: Shaped[np.ndarray, " n"], *, num_folds: int, seed: int
) -> Int[np.ndarray, " n"]:
    """Deals slides of any size, with cells of several classes, out to folds of like contents.

    Args:
        labels: class of each example.
        sources: its slide.
        num_folds: at least 2.
        seed: of the draw.

    Returns:
        The fold of each example, from 0; -1 for examples of unknown slides, which belong to none.

    Raises:
        UserError: a class is on fewer slides than there are folds.

    Source: scikit-learn's StratifiedGroupKFold.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # a second, for this alone

    for label, slides in _smears_by_class(labels, sources).items():
        if len(slides) < num_folds:
            raise UserError(
                f"{CLASSES_WITH_BASOPHIL[label]} is on {len(slides)} smears, fewer than the "
                f"{num_folds} parts to divide them into: add pictures of other smears (slides)"
            )
    known = np.flatnonzero(sources != UNRESOLVED)
    # By name, so that the order of the examples draws nothing.
    known = known[np.lexsort((labels[known], sources[known]))]
    dealer = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    folds = np.full(len(labels), -1)
    for fold, (_, rows) in enumerate(dealer.split(known, labels[known], sources[known])):
        folds[known[rows]] = fold
    return folds


def hold_out_slides(
    labels: Int[np.ndarray, " n"], sources: Shaped[np.ndarray, " n"], *, share: float, seed: int
) -> tuple[Int[np.ndarray, " stay"], Int[np.ndarray, " held"]]:
    """Holds out about that share of the cells of every class, by whole slides.

    More, where a class is on too few slides to be in so small a part: up to one of its two.

    Args:
        labels: class of each example.
        sources: its slide.
        share: of the cells that is held out, in (0, 1).
        seed: of the draw.

    Returns:
        As `hold_out_smears`.

    Raises:
        UserError: a class is on too few slides.
    """
    fewest = min(map(len, _smears_by_class(labels, sources).values()), default=0)
    # How many of so many folds are nearest to the share; every class is on a slide of each fold.
    held_of = {
        number: min(max(1, round(share * number)), number - 1)
        for number in range(2, max(2, min(fewest, _MOST_FOLDS)) + 1)
    }
    num_folds = min(held_of, key=lambda number: abs(held_of[number] / number - share))
    folds = slide_folds(labels, sources, num_folds=num_folds, seed=seed)
    is_held = folds < held_of[num_folds]
    return np.flatnonzero((folds >= 0) & ~is_held), np.flatnonzero((folds >= 0) & is_held)


def shared_smears(*parts: Shaped[np.ndarray, " _"]) -> tuple[str, ...]:
    """Returns the smears that occur in more than one part, sorted; unresolved ones are not counted.

    Args:
        *parts: the sources of each part's examples.
    """
    smears = np.concatenate([np.unique(sources) for sources in parts])
    names, counts = np.unique(smears[smears != UNRESOLVED], return_counts=True)
    return tuple(names[counts > 1].tolist())


def _smears_by_class(
    labels: Int[np.ndarray, " n"], sources: Shaped[np.ndarray, " n"]
) -> dict[int, Shaped[np.ndarray, " _"]]:
    """Returns class -> its smears, sorted, so that the order of the examples draws nothing."""
    known = sources != UNRESOLVED
    return {
        int(label): np.unique(sources[known & (labels == label)])
        for label in np.unique(labels[known])
    }
