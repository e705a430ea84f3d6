"""Runs what is missing of a sweep and writes its page.

result = run_sweep("configs/sweeps/layers_cnn.py:official", output, places=places, ...)
print(result.text)
"""

import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
from tqdm import tqdm

from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.reporting import leaky
from wbc_jax.reporting.output_folder import alone_in, make_output_folder
from wbc_jax.sweeps.cost import make_estimate
from wbc_jax.sweeps.definition import Sweep, load_sweep
from wbc_jax.sweeps.jobs import Jobs
from wbc_jax.sweeps.plan import Facts, describe_settings, plan_table
from wbc_jax.sweeps.task import Outcome
from wbc_jax.sweeps.trials import Trial, make_trials
from wbc_jax.sweeps.write import read_finished, write_sweep
from wbc_jax.training.interruption import Interrupted, listening
from wbc_jax.training.prepare_data import prepare_data

_LAUNCH = Path(__file__).parents[2] / "launch.py"
_log = logging.getLogger(__name__)


class SweepResult(NamedTuple):
    """What a sweep has come to.

    Attributes:
        text: for the terminal.
        num_failed: runs that ended without results.
    """

    text: str
    num_failed: int


def plan_sweep(text: str, output: Path, places: Places) -> str:
    """Returns the table of a sweep's runs, with parameters and about how long each takes.

    Args:
        text: FILE or FILE:PRESET of the sweep.
        output: its directory.
        places: of the images; where there are none, no time is estimated.

    Raises:
        UserError: the sweep cannot be run.
    """
    _, trials, facts = _plan(text, output)
    try:
        data = prepare_data(trials[0].config, places)
    except UserError as error:
        return f"{plan_table(trials, facts, lambda trial: None)}\nNo time is estimated: {error}"
    num_train, *measured = (len(part.label) for part in data.partition)
    estimate = make_estimate(trials, facts, num_train=num_train, num_measured=sum(measured))
    return plan_table(trials, facts, estimate)


def run_sweep(
    text: str,
    output: Path,
    places: Places,
    *,
    executor: str,
    options: Mapping[str, str],
    num_local: int,
    seeds_at_once: bool,
) -> SweepResult:
    """Trains the runs of a sweep that are not finished, and writes its page and tables.

    A run that fails is recorded with its error; the others go on. Started again, only what is
    missing is run.

    Args:
        text: FILE or FILE:PRESET of the sweep.
        output: its directory; every run has one of its own in it.
        places: of the images.
        executor: "local": processes of this machine; "slurm": jobs of SLURM.
        options: of SLURM's jobs, by submitit's names.
        num_local: processes at a time on this machine.
        seeds_at_once: one job trains all seeds of a setting; else each has a job of its own.

    Raises:
        UserError: the sweep cannot be run, another process is at it, or nothing has succeeded.
        Interrupted: the process was asked to end; the runs of this machine have saved their states.
    """
    if not _LAUNCH.is_file():
        raise UserError(
            f"{_LAUNCH}, which runs a sweep's trainings, is not there: start from a checkout of "
            "the project, installed with pip install -e ."
        )
    sweep, trials, facts = _plan(text, output)
    make_output_folder(output)
    with alone_in(output):
        try:
            errors = _train(trials, output, places, executor, options, num_local, seeds_at_once)
        except Interrupted:
            if any(trial.is_finished() for trial in trials):
                _log.info("writing the page of the runs that are finished")
                _close(sweep, trials, facts, {}, output)
            raise
        return _close(sweep, trials, facts, errors, output)


def _plan(text: str, output: Path) -> tuple[Sweep, list[Trial], dict[str, Facts]]:
    # Only shapes are computed here; the devices are the runs'.
    jax.config.update("jax_platforms", "cpu")
    sweep = load_sweep(text)
    trials = make_trials(sweep, output)
    return sweep, trials, describe_settings(trials)


def _train(
    trials: Sequence[Trial],
    output: Path,
    places: Places,
    executor: str,
    options: Mapping[str, str],
    num_local: int,
    seeds_at_once: bool,
) -> dict[Path, str]:
    """Runs what is missing; returns the errors by the directory of the run."""
    missing = [trial for trial in trials if not trial.is_finished()]
    errors: dict[Path, str] = {}
    with listening() as interruption, tqdm(total=len(missing), unit=" runs", disable=None) as bar:
        jobs = Jobs(
            output / "jobs",
            executor=executor,
            options=options,
            num_local=num_local,
            held=interruption.held,
        )
        commands = {
            name: _command(own, places, at_once=seeds_at_once)
            for name, own in _by_job(missing, jobs.names, seeds_at_once=seeds_at_once).items()
        }
        try:
            jobs.submit(commands)
            for name, outcome in jobs.wait():
                own = [trial for trial in missing if name in _job_names(trial)]
                bar.update(len(own))
                errors |= _note(own, outcome)
        except BaseException:
            jobs.stop()
            raise
    return errors


def _by_job(
    trials: Sequence[Trial], queued: Collection[str], *, seeds_at_once: bool
) -> dict[str, list[Trial]]:
    """Returns the runs of each job that is to be made, by the job's name.

    Args:
        trials: what is missing.
        queued: names of jobs that an earlier start has put into the queue, be it with the other
            choice of `seeds_at_once`.
        seeds_at_once: whether a job trains all seeds of a setting.
    """
    jobs: dict[str, list[Trial]] = {}
    for trial in trials:
        alone, together = _job_names(trial)
        if alone not in queued and together not in queued:
            jobs.setdefault(together if seeds_at_once else alone, []).append(trial)
    return jobs


def _job_names(trial: Trial) -> tuple[str, str]:
    """Returns the names of the job of this run alone and of that of all seeds of its setting."""
    return trial.workdir.name, trial.folder.name


def _note(trials: Sequence[Trial], outcome: Outcome) -> dict[Path, str]:
    """Returns what is to be said of the runs of a job that has ended."""
    errors = {}
    for trial in trials:
        if not trial.is_finished():
            text = outcome.error or "the run ended well but left no results.json"
            # Of a job of several seeds, what it says of this one.
            own = f"{trial.workdir.name}: "
            lines = [line for line in text.splitlines() if line.startswith(own)]
            text = lines[0].removeprefix(own) if lines else text
            errors[trial.workdir] = text
            _log.warning("%s, seed %d failed: %s", trial.setting.title, trial.seed, text)
    return errors


def _command(trials: Sequence[Trial], places: Places, *, at_once: bool) -> list[str]:
    """Returns the command that a user would give to train these seeds of one setting."""
    first = trials[0]
    seeds = ",".join(str(trial.seed) for trial in trials)
    which = (
        [f"--seeds={seeds}", f"--workdir={first.folder.absolute()}"]
        if at_once
        else [f"--config.seed={seeds}", f"--workdir={first.workdir.absolute()}"]
    )
    flags = [f"--cache_dir={places.cache_dir.absolute()}", f"--on_bad_image={places.on_bad_image}"]
    if places.data_dir is not None:
        flags.append(f"--data_dir={places.data_dir.absolute()}")
    if places.download:
        flags.append("--download")
    return [sys.executable, str(_LAUNCH), *first.overrides(), *which, *flags]


def _close(
    sweep: Sweep,
    trials: Sequence[Trial],
    facts: Mapping[str, Facts],
    errors: Mapping[Path, str],
    output: Path,
) -> SweepResult:
    finished, unreadable = read_finished(trials)
    errors = {**errors, **unreadable}
    failed = [trial for trial in trials if trial.workdir not in finished]
    lines = [leaky.MARK] if any(own.run.is_leaky for own in finished.values()) else []
    lines.append(f"{len(finished)} of {len(trials)} runs are finished")
    lines += [
        f"failed: {trial.setting.title}, seed {trial.seed}: "
        f"{errors.get(trial.workdir, 'no results').splitlines()[0]:.200}"
        for trial in failed
    ]
    if not finished:
        raise UserError("no run of the sweep has finished:\n" + "\n".join(lines[1:]))
    lines.append(str(write_sweep(sweep, trials, finished, facts, errors, output)))
    return SweepResult("\n".join(lines), len(failed))
