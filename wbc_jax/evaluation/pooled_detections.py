"""Figures of a detector's setting over its seeds, and how much they depend on the places.

answers = {0: read_answers(run_of_seed_0), 1: read_answers(run_of_seed_1)}
pool_detectors(runs, answers)["RBC"]["f1"]    # {"mean": ..., "sd": ..., "interval": ...}
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from wbc_jax.evaluation.detection_scores import METHOD, outcome_figures, outcomes_of
from wbc_jax.evaluation.detections import read_answered
from wbc_jax.evaluation.intervals import absent_cautions, few_cautions, one_seed_caution
from wbc_jax.evaluation.run_groups import folds_by_seed, missing_folds, setting_facts
from wbc_jax.evaluation.seed_resamples import (
    Levels,
    Resamples,
    Units,
    intervals_by,
    resample_units,
)
from wbc_jax.evaluation.weighted import nan_mean
from wbc_jax.reporting.epochs import metric_values
from wbc_jax.reporting.run_files import Run
from wbc_jax.seeds.seed_points import KINDS

INTERVALS = intervals_by(METHOD)
_BOUNDS = {"count_mae": (0.0, np.inf), "count_bias": (-np.inf, np.inf)}  # others are shares


class DetectorAnswers(NamedTuple):
    """What a detector has found in the pictures of its test.

    Attributes:
        filenames: of each picture; all different.
        scenes: the place that each shows.
        outcomes: of each picture and kind: cells found, seeds false, cells missed.
    """

    filenames: Shaped[np.ndarray, " n"]
    scenes: Shaped[np.ndarray, " n"]
    outcomes: Int[np.ndarray, "n kinds 3"]

    def tested(self) -> frozenset[tuple[Any, ...]]:
        """Returns every picture with its place and its number of cells of each kind."""
        cells = map(tuple, self.num_cells.tolist())
        return frozenset(zip(self.filenames.tolist(), self.scenes.tolist(), cells, strict=True))

    @property
    def num_cells(self) -> Int[np.ndarray, "n kinds"]:
        """How many there are in each picture, by kind."""
        return self.outcomes[..., 0] + self.outcomes[..., 2]


def read_answers(run: Run) -> DetectorAnswers:
    """Reads detections.npz of a detector's run.

    Raises:
        UserError: as `read_answered`.
    """
    found = read_answered(run)
    return DetectorAnswers(found.filenames, found.scenes, outcomes_of(found.seeds, found.cells))


def pool_detectors(runs: Sequence[Run], answers: Mapping[int, DetectorAnswers]) -> dict[str, Any]:
    """Returns the figures of one setting of a detector.

    Args:
        runs: of the setting, at least one; they differ in seed and fold only.
        answers: theirs, by seed.

    Returns:
        What is known of the setting, and by kind each of `FOUND_FIGURES`, NaN where any seed
        leaves it undefined; under "macro" the mean of F1 over the kinds of which there are cells.

    Raises:
        UserError: the runs do not go together.
    """
    resamples = resample_detectors(answers)
    return setting_facts(runs) | {
        "num_images": [len(own.filenames) for own in answers.values()],
        "num_scenes": len(resamples.drawn.names),
        **resamples.pooled(),
        "notes": missing_folds(folds_by_seed(runs), "scene") + _cautions(list(answers.values())),
    }


def _cautions(seeds: Sequence[DetectorAnswers]) -> list[str]:
    """Returns what a reader of the intervals must know of this test, one sentence each."""
    scenes = np.concatenate([own.scenes for own in seeds])
    outcomes = np.concatenate([own.outcomes for own in seeds])
    has_cells = outcomes[..., [0, 2]].sum(axis=-1) > 0
    num_scenes = {
        kind: len(np.unique(scenes[has_cells[:, place]])) for place, kind in enumerate(KINDS)
    }
    found = [one_seed_caution("scenes")] if len(seeds) == 1 else []
    found += few_cautions(num_scenes, "scenes") + absent_cautions(num_scenes, "scenes")
    is_perfect = has_cells.any(axis=0) & ~outcomes[..., 1:].any(axis=(0, 2))
    perfect = [kind for kind, is_so in zip(KINDS, is_perfect, strict=True) if is_so]
    if perfect:
        found.append(
            f"Every cell of {', '.join(perfect)} is found and none in vain, so no drawing of "
            "scenes can show an error: there the intervals have no width."
        )
    return found


def resample_detectors(seeds: Mapping[int, DetectorAnswers]) -> Resamples:
    """Returns the figures of a detector in all resamples of places; see `pool_detectors`.

    Args:
        seeds: answers by seed, at least one.
    """
    scenes = {seed: np.unique(own.scenes, return_inverse=True) for seed, own in seeds.items()}
    units = {
        seed: Units(names, np.ones((len(names), 1), bool)) for seed, (names, _) in scenes.items()
    }

    def levels_of(seed: int, weights: Float[np.ndarray, "r s"]) -> Levels:
        _, scene_of = scenes[seed]
        return _levels(seeds[seed], weights[:, scene_of])

    return resample_units("scenes", units, levels_of, _BOUNDS)


def _levels(answers: DetectorAnswers, weights: Float[np.ndarray, "r n"]) -> Levels:
    """Returns each kind's figures, and their mean F1, for each row of weights of the pictures.

    The mean is over kinds of which there are cells, whatever was found: a false seed more must not
    decide what a setting is judged by.
    """
    figures = outcome_figures(answers.outcomes, weights)
    f1_of_known = np.where(weights @ answers.num_cells > 0, figures["f1"], np.nan)
    levels = {
        kind: {name: values[:, place] for name, values in figures.items()}
        for place, kind in enumerate(KINDS)
    }
    return {"macro": {"f1": nan_mean(f1_of_known)}, **levels}


def f1_curve(run: Run) -> list[float]:
    """Returns F1 on the test after each epoch, the mean over kinds of which there are cells."""
    epochs, per_kind = run.results["epochs"], run.results["test"]["per_kind"]
    known = [kind for kind in KINDS if per_kind[kind]["support"] > 0]
    of_kinds = [metric_values(epochs, "test", f"f1_{kind}") for kind in known]
    return nan_mean(np.reshape(of_kinds, (len(known), len(epochs))).T).tolist()
