"""A run whose directory is locked and whose latest state is on the devices, ready to go on.

with open_run(config, Places(None, cache), workdir=workdir) as run:
    run.position.progress, run.epochs_left
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from wbc_jax import run_names
from wbc_jax.atomic_files import write_json
from wbc_jax.datasets.places import Places
from wbc_jax.evaluation.results import PartLogits
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.environment import describe_environment
from wbc_jax.training.experiment import Experiment, build_experiment
from wbc_jax.training.processes import from_first, is_first
from wbc_jax.training.resume import Position, start_or_resume
from wbc_jax.training.run_directory import RunDirectory

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenRun:
    """What the training of a run works with.

    Attributes:
        config: of the run.
        experiment: built from it.
        directory: of the run, locked.
        checkpoints: of the run.
        position: where to go on.
    """

    config: ConfigDict
    experiment: Experiment
    directory: RunDirectory
    checkpoints: Checkpoints
    position: Position

    @property
    def epochs_left(self) -> int:
        """How many epochs there are still to train."""
        return self.config.train.num_epochs - len(self.position.history)

    def measure(self, logits: PartLogits) -> dict[str, dict[str, float]]:
        """Returns losses and accuracies of every part that is not trained on and not empty."""
        partition, mean_metrics = self.experiment.data.partition, self.experiment.task.mean_metrics
        return {
            name: mean_metrics(part_logits, getattr(partition, name))
            for name, part_logits in logits._asdict().items()
            if len(part_logits)
        }


@contextmanager
def open_run(
    config: ConfigDict,
    places: Places,
    *,
    workdir: Path,
    environment: Mapping[str, Any] | None = None,
) -> Iterator[OpenRun]:
    """Builds the run, locks its directory and restores its latest checkpoint.

    Args:
        config: as in `configs/`.
        places: where its images come from.
        workdir: the run's directory; new, or of an earlier start with the same config.
        environment: what to write into environment.json beside versions and machine.

    Raises:
        UserError: the config, the data or the directory cannot be used.
    """
    directory = RunDirectory(workdir)
    from_first(lambda: directory.require_usable(config.to_dict()))
    experiment = build_experiment(config, places)
    with directory.locked():
        from_first(lambda: directory.create(config.to_dict(), experiment.data.describe()))
        for warning in experiment.data.warnings:
            _log.warning(warning)
        with Checkpoints(
            workdir / run_names.CHECKPOINTS, num_best=config.checkpoint.num_best
        ) as kept:
            position = start_or_resume(experiment, kept)
            run = OpenRun(config, experiment, directory, kept, position)
            if is_first():
                directory.write_epochs(position.history)
                # Of a start that trains: it says what a run was made with, not what has read it.
                if run.epochs_left or not (workdir / run_names.ENVIRONMENT).is_file():
                    described = describe_environment() | dict(environment or {})
                    write_json(workdir / run_names.ENVIRONMENT, described)
            yield run
