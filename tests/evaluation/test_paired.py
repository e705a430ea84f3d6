"""Differences of two settings, on a handful of smears."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.evaluation.test_pooled_figures import LABELS, SMEARS, answers
from wbc_jax.errors import UserError
from wbc_jax.evaluation.intervals import SEED, draw_smears, percentile_interval
from wbc_jax.evaluation.paired import paired_difference, verdict
from wbc_jax.evaluation.pooled_figures import pooled_figures, resample
from wbc_jax.evaluation.seed_resamples import seed_widening
from wbc_jax.reporting.measures import MEASURES
from wbc_jax.reporting.run_files import Predictions

FOUR = (4, 8, 13, 20)
HARD = tuple(range(6))  # the images of the first two smears


def compare(
    ours: Mapping[int, Predictions], theirs: Mapping[int, Predictions]
) -> dict[str, Any] | None:
    return paired_difference(ours, theirs, resample)


def in_words(difference: Mapping[str, Any] | None) -> str:
    return verdict(difference, "A", "B", MEASURES["classification"])


def accuracy(difference):
    return difference["image"]["categorical_accuracy"]


def shuffled(own: Predictions) -> Predictions:
    order = np.random.default_rng(1).permutation(len(own.labels))
    return Predictions(*(part[order] for part in own))


def test_the_difference_and_its_interval_by_hand() -> None:
    ours = {0: answers(()), 1: answers((0,)), 2: answers((3, 9))}
    theirs = {0: answers((0, 1)), 1: answers((0, *FOUR)), 2: shuffled(answers((3, 9, 12)))}
    difference = compare(ours, theirs)
    assert difference["seeds"] == [0, 1, 2]
    assert difference["num_smears"] == 8
    figure = accuracy(difference)
    assert figure["per_seed"] == pytest.approx({"0": 2 / 24, "1": 4 / 24, "2": 1 / 24})
    assert figure["mean"] == pytest.approx(7 / 72)
    assert figure["sd"] == pytest.approx(np.std([2, 4, 1], ddof=1) / 24)
    # Drawn together: how often a smear is drawn times what it changes, seed by seed.
    smear_labels = LABELS[::3]
    order = np.argsort([f"{label}/s{smear}" for smear, label in enumerate(smear_labels)])
    draws = np.empty((2000, 8))
    draws[:, order] = draw_smears(smear_labels[order])
    gains = np.zeros((3, 24))
    for seed, images in enumerate(((0, 1), FOUR, (12,))):
        gains[seed, list(images)] = 1
    of_smear = gains.reshape(3, 8, 3).sum(axis=2)
    drawn = np.random.default_rng([SEED, 1]).integers(3, size=(2000, 3))
    gained = draws @ of_smear.T / 24
    own = np.array([2, 4, 1]) / 24
    by_seeds = own[drawn].mean(axis=1) - own.mean()
    expected = np.take_along_axis(gained, drawn, axis=1).mean(axis=1)
    expected += (seed_widening(3) - 1) * by_seeds
    assert figure["interval"] == pytest.approx(percentile_interval(expected))
    assert SMEARS[0] == "s0"


def test_what_is_hard_for_both_does_not_widen_the_interval() -> None:
    """The settings' own intervals overlap widely; the difference is known exactly."""
    ours = {seed: answers(HARD) for seed in range(3)}
    theirs = {seed: answers((*HARD, *range(6, 24, 3))) for seed in range(3)}
    low, high = accuracy(compare(ours, theirs))["interval"]
    own = [pooled_figures(x, num_classes=2).levels for x in (ours, theirs)]
    overlap = [accuracy(levels)["interval"] for levels in own]
    assert overlap[0][0] < overlap[1][1]
    assert 0 < low <= 6 / 24 <= high
    assert high - low < 0.5 * (overlap[0][1] - overlap[0][0])


def test_a_setting_does_not_differ_from_itself() -> None:
    own = {seed: answers((seed, seed + 5)) for seed in range(3)}
    difference = compare(own, own)
    figure = accuracy(difference)
    assert (figure["mean"], figure["interval"]) == (0, [0, 0])
    assert in_words(difference).startswith("No difference between A and B is shown (+0.0 points")


def test_only_seeds_that_both_have_are_compared() -> None:
    ours = {0: answers(()), 1: answers(()), 5: answers((1,))}
    theirs = {1: answers((0,)), 2: answers(()), 5: answers((1, 2, 3))}
    difference = compare(ours, theirs)
    assert difference["seeds"] == [1, 5]
    assert accuracy(difference)["per_seed"] == pytest.approx({"1": 1 / 24, "5": 2 / 24})
    assert compare({0: answers(())}, {1: answers(())}) is None


def test_other_test_images_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="seed 0 were tested on different images"):
        compare({0: answers((), slice(0, 12))}, {0: answers((), slice(6, 24))})


@pytest.mark.parametrize("field", ["labels", "sources"])
def test_other_labels_or_smears_of_the_same_images_cannot_be_compared(field: str) -> None:
    own = answers(())
    changed = getattr(own, field).copy()
    changed[0] = {"labels": 1, "sources": "s7"}[field]
    with pytest.raises(UserError, match="different images, smears or labels"):
        compare({0: own}, {0: own._replace(**{field: changed})})


def test_where_nothing_can_be_drawn_anew_there_is_no_verdict() -> None:
    """One smear a class, seeds that agree: the interval has no width, which proves nothing."""
    rows = list(range(6))
    ours = {seed: Predictions(*(part[rows] for part in answers(()))) for seed in range(3)}
    theirs = {seed: Predictions(*(part[rows] for part in answers((0, 1)))) for seed in range(3)}
    assert set(ours[0].labels.tolist()) == {0, 1}
    difference = compare(ours, theirs)
    low, high = accuracy(difference)["interval"]
    assert low == high > 0
    assert in_words(difference).startswith("A against B: no interval can be given (+33.3")


def test_a_difference_lies_within_what_shares_can_differ_by() -> None:
    ours = {0: answers(()), 1: answers(range(24)), 2: answers(())}
    theirs = {0: answers(range(24)), 1: answers(()), 2: answers(())}
    assert accuracy(compare(ours, theirs))["interval"] == [-1, 1]


@pytest.mark.parametrize(
    ("wrong", "num_seeds", "said"),
    [
        ((), 3, "A is better than B (+25.0 points of accuracy over the test images, 95 % interval"),
        ((), 2, "A against B: too few seeds for a verdict (+25.0 points"),
        ((), 1, "A against B: too few seeds for a verdict (+25.0 points"),
        (tuple(range(0, 24)), 3, "A is worse than B (-75.0 points"),
        (tuple(range(1, 24, 3))[:6], 3, "No difference between A and B is shown (+0.0 points"),
    ],
)
def test_the_verdict_in_words(wrong: tuple[int, ...], num_seeds: int, said: str) -> None:
    theirs = {seed: answers(tuple(range(6, 24, 3))) for seed in range(num_seeds)}
    ours = {seed: answers(wrong) for seed in range(num_seeds)}
    text = in_words(compare(ours, theirs))
    assert text.startswith(said), text
    assert f"{num_seeds} seed{'s' * (num_seeds > 1)}, 8 smears" in text


def test_without_a_common_seed_nothing_is_said() -> None:
    assert in_words(None) == "A and B have no seed in common: nothing can be said."
