"""How finished runs are read, pooled and compared, task by task.

judging = JUDGING["detection"]
run = judging.read_run(Path("runs/detector-bccd-seed0"))
answers = judging.read_answers(run)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from wbc_jax.evaluation import pooled_detections, pooled_figures
from wbc_jax.evaluation.hard_smears import doubtful_images
from wbc_jax.evaluation.paired import A
from wbc_jax.evaluation.seed_resamples import Resamples
from wbc_jax.reporting.epochs import metric_values
from wbc_jax.reporting.run_files import Run, read_detector_run, read_predictions, read_run


@dataclass(frozen=True)
class Judging(Generic[A]):
    """What a task's finished runs are asked.

    Attributes:
        read_run: reads and checks a run's directory.
        read_answers: of a run.
        pool: figures of one setting's runs, from their answers by seed.
        resample: draws these anew.
        curve: the main figure on the test after each epoch of a run.
        intervals: how those of `pool` are made.
        doubtful: rows of the images whose label no seed's answers agree with, given the classes;
            None where images have no label.
    """

    read_run: Callable[[Path], Run]
    read_answers: Callable[[Run], A]
    pool: Callable[[Sequence[Run], Mapping[int, A]], dict[str, Any]]
    resample: Callable[[Mapping[int, A]], Resamples]
    curve: Callable[[Run], list[float]]
    intervals: Mapping[str, Any]
    doubtful: Callable[[Mapping[int, A], Sequence[str]], list[dict[str, Any]]] | None


def _accuracy_curve(run: Run) -> list[float]:
    return metric_values(run.results["epochs"], "test", "categorical_accuracy").tolist()


JUDGING: dict[str, Judging[Any]] = {
    "classification": Judging(
        read_run,
        read_predictions,
        pooled_figures.pool_classifiers,
        pooled_figures.resample,
        _accuracy_curve,
        pooled_figures.INTERVALS,
        doubtful_images,
    ),
    "detection": Judging(
        read_detector_run,
        pooled_detections.read_answers,
        pooled_detections.pool_detectors,
        pooled_detections.resample_detectors,
        pooled_detections.f1_curve,
        pooled_detections.INTERVALS,
        None,
    ),
}
