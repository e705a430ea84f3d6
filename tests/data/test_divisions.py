"""Smears stay whole, in exact shares of every class, by the seed and not by the images' order."""

from collections import Counter

import numpy as np
import pytest

from tests.data.random_smears import draw_examples, smears_by_class
from wbc_jax.data.divisions import (
    UNRESOLVED,
    draw_smears,
    hold_out_slides,
    hold_out_smears,
    shared_smears,
    slide_folds,
    smear_folds,
)
from wbc_jax.data.examples import Examples
from wbc_jax.errors import UserError

SEEDS = range(25)


def held_out(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    stay, held = hold_out_smears(examples.label, examples.source, share=share, seed=seed)
    assert stay.tolist() == sorted(stay)
    assert held.tolist() == sorted(held)
    return examples.take(stay), examples.take(held)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
def test_smears_are_held_out_whole_and_in_exact_shares_of_every_class(share: float) -> None:
    num_smears = (2, 23, 10, 67)
    for seed in SEEDS:
        examples = draw_examples(num_smears, seed=seed, num_unresolved=9)
        stay, held = held_out(examples, share, seed)
        assert not set(stay.source) & set(held.source)
        assert len(stay.label) + len(held.label) == len(examples.label) - 9
        assert UNRESOLVED not in {*stay.source, *held.source}
        for label, count in enumerate(num_smears):
            # At least one smear of a class on each side.
            expected = min(max(1, round(share * count)), count - 1)
            assert len(smears_by_class(held)[label]) == expected
            assert len(smears_by_class(stay)[label]) == count - expected


def test_every_smear_is_as_likely_held_out_as_another() -> None:
    examples, draws = draw_examples((10, 10), seed=0), 400
    times = Counter(
        smear for seed in range(draws) for smear in set(held_out(examples, 0.2, seed)[1].source)
    )
    assert len(times) == 20
    # Each in a fifth of the draws, within four standard deviations.
    assert max(abs(count - draws / 5) for count in times.values()) < 4 * (draws * 0.16) ** 0.5


def test_smears_are_drawn_whole_and_so_many_of_every_class() -> None:
    examples = draw_examples((9, 3, 20), seed=0, num_unresolved=9)
    for seed in SEEDS:
        rows = draw_smears(examples.label, examples.source, counts=(2, 5, 7), seed=seed)
        drawn = examples.take(rows)
        assert [len(smears) for smears in smears_by_class(drawn).values()] == [2, 3, 7]
        assert rows.tolist() == np.flatnonzero(np.isin(examples.source, drawn.source)).tolist()
        assert UNRESOLVED not in drawn.source


@pytest.mark.parametrize("divide", ["hold out", "draw", "folds"])
def test_the_seed_decides_and_the_order_of_the_images_does_not(divide: str) -> None:
    examples = draw_examples((12, 20, 9), seed=0, num_unresolved=5)
    order = np.random.default_rng(1).permutation(len(examples.label))

    def division(examples: Examples, seed: int) -> dict[str, int]:
        if divide == "hold out":
            return dict.fromkeys(held_out(examples, 0.3, seed)[1].source.tolist(), 1)
        if divide == "draw":
            rows = draw_smears(examples.label, examples.source, counts=(4, 5, 6), seed=seed)
            return dict.fromkeys(examples.source[rows].tolist(), 1)
        folds = smear_folds(examples.label, examples.source, num_folds=3, seed=seed)
        return dict(zip(examples.source.tolist(), folds.tolist(), strict=True))

    first = division(examples, 7)
    assert division(examples, 7) == first
    assert division(examples.take(order), 7) == first
    assert all(division(examples, seed) != first for seed in range(5))


def test_a_smear_that_has_two_labels_stays_whole_too() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    sources = np.array(["a", "both", "b", "both", "c", "d", "e"])
    for seed in SEEDS:
        stay, held = hold_out_smears(labels, sources, share=0.4, seed=seed)
        assert not shared_smears(sources[stay], sources[held])
        folds = smear_folds(labels, sources, num_folds=2, seed=seed)
        assert folds[1] == folds[3]


def slides_of_a_laboratory() -> tuple[np.ndarray, np.ndarray]:
    """Labels and sources: ten slides of 4 to 8 cells of two kinds, a rare one on five of them."""
    labels: list[int] = []
    sources: list[str] = []
    for slide in range(10):
        cells = [0] * (2 + slide % 3) + [1] * (2 + slide % 2) + [2] * (slide < 5)
        labels += cells
        sources += [f"slide {slide}"] * len(cells)
    loose = [0, 1, 2] * 3  # pictures of slides that are not known
    return np.array(labels + loose), np.array(sources + [UNRESOLVED] * len(loose))


def test_slides_are_dealt_whole_and_evenly_with_every_class_in_every_fold() -> None:
    labels, sources = slides_of_a_laboratory()
    order = np.random.default_rng(0).permutation(len(labels))
    divisions = set()
    for seed in SEEDS:
        folds = slide_folds(labels, sources, num_folds=5, seed=seed)
        assert (folds[sources == UNRESOLVED] == -1).all()
        again = slide_folds(labels[order], sources[order], num_folds=5, seed=seed)
        assert again.tolist() == folds[order].tolist()
        divisions.add(tuple(folds))
        known = folds >= 0
        for slide in set(sources[known]):
            assert len(set(folds[sources == slide])) == 1
        counts = np.array([np.bincount(labels[folds == fold], minlength=3) for fold in range(5)])
        assert (counts[:, 2] == 1).all()  # the rare kind, once in each
        assert counts.min() >= 1
        assert counts.sum(axis=1).max() <= 2 * counts.sum() / 5
    assert len(divisions) > 1


@pytest.mark.parametrize(
    ("share", "least", "most"), [(0.1, 0.05, 0.2), (0.2, 0.1, 0.3), (0.8, 0.7, 0.9)]
)
def test_slides_are_held_out_whole_in_about_that_share(
    share: float, least: float, most: float
) -> None:
    labels, sources = slides_of_a_laboratory()
    keep = labels < 2  # on all ten slides, as a tenth needs
    labels, sources = labels[keep], sources[keep]
    for seed in SEEDS:
        stay, held = hold_out_slides(labels, sources, share=share, seed=seed)
        assert not shared_smears(sources[stay], sources[held])
        assert len(stay) + len(held) == (sources != UNRESOLVED).sum()
        assert least <= len(held) / (len(stay) + len(held)) <= most


@pytest.mark.parametrize("share", [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.45, 0.55, 0.6, 0.7, 0.85])
def test_of_many_slides_the_share_asked_for_is_held_out(share: float) -> None:
    sources = np.array([f"slide {slide}" for slide in range(400)])
    stay, held = hold_out_slides(np.arange(400) % 4, sources, share=share, seed=0)
    assert len(held) == pytest.approx(400 * share)
    assert len(stay) + len(held) == 400


def test_where_a_class_is_on_few_slides_more_is_held_out_for_it() -> None:
    labels, sources = slides_of_a_laboratory()
    for seed in SEEDS:
        stay, held = hold_out_slides(labels, sources, share=0.1, seed=seed)
        assert np.bincount(labels[held]).tolist()[2] == 1  # of five: a fifth is held out
        assert np.bincount(labels[stay]).tolist()[2] == 4
    with pytest.raises(UserError, match="lymphocyte is on 1 smears, fewer than the 2 parts"):
        hold_out_slides(np.array([0, 0, 1]), np.array(["a", "b", "a"]), share=0.2, seed=0)


def test_a_class_on_fewer_slides_than_parts_is_named() -> None:
    labels, sources = slides_of_a_laboratory()
    with pytest.raises(UserError, match="monocyte is on 5 smears, fewer than the 6 parts"):
        slide_folds(labels, sources, num_folds=6, seed=0)


@pytest.mark.parametrize("unresolved", [0, 3])
def test_a_class_of_one_smear_cannot_be_held_out(unresolved: int) -> None:
    labels = np.array([0, 0, 1, 1, *[1] * unresolved])
    sources = np.array(["a", "b", "c", "c", *[UNRESOLVED] * unresolved])
    with pytest.raises(UserError, match=r"class 1 has 1 smear; .* at least 2 .*: add images"):
        hold_out_smears(labels, sources, share=0.5, seed=0)


@pytest.mark.parametrize("num_folds", [2, 5])
def test_folds_are_balanced_over_smears_and_keep_them_whole(num_folds: int) -> None:
    num_smears = (5, 23, 12, 67)
    for seed in SEEDS:
        examples = draw_examples(num_smears, seed=seed, num_unresolved=9)
        folds = smear_folds(examples.label, examples.source, num_folds=num_folds, seed=seed)
        assert set(folds[examples.source == UNRESOLVED]) == {-1}
        parts = [examples.take(np.flatnonzero(folds == fold)) for fold in range(num_folds)]
        assert sum(len(part.label) for part in parts) == len(examples.label) - 9
        assert shared_smears(*(part.source for part in parts)) == ()
        counts = np.array([[len(smears_by_class(p)[c]) for c in range(4)] for p in parts])
        assert counts.sum(axis=0).tolist() == list(num_smears)
        # As evenly as it goes, class by class and in all.
        assert np.ptp(counts, axis=0).max() <= 1
        assert np.ptp(counts.sum(axis=1)) <= 1


def test_a_class_of_fewer_smears_than_folds_is_refused() -> None:
    examples = draw_examples((6, 4), seed=0)
    with pytest.raises(UserError, match=r"class 1 has 4 smears, fewer than the 5 folds; add"):
        smear_folds(examples.label, examples.source, num_folds=5, seed=0)


def test_shared_smears_are_those_in_more_than_one_part() -> None:
    first, second, third = (
        np.array(names) for names in (["d", "a", "a", UNRESOLVED], ["b"], ["d", "b", UNRESOLVED])
    )
    assert shared_smears(first) == ()
    assert shared_smears(first, second) == ()
    assert shared_smears(first, second, third) == ("b", "d")
