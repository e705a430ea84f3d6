"""What the finished runs of a sweep come to.

finished, errors = read_finished(trials)
path = write_sweep(sweep, trials, finished, facts, errors, output)             # .../sweep.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from wbc_jax.errors import UserError
from wbc_jax.evaluation.judging import JUDGING
from wbc_jax.evaluation.paired import Answers, paired_difference, verdict
from wbc_jax.evaluation.run_groups import require_same_data
from wbc_jax.evaluation.seed_resamples import over_seeds
from wbc_jax.nested import flatten
from wbc_jax.reporting.measures import MEASURES
from wbc_jax.reporting.run_files import Run
from wbc_jax.reporting.sweep_page import write_sweep_page
from wbc_jax.sweeps.cost import wall_seconds
from wbc_jax.sweeps.definition import Sweep, short
from wbc_jax.sweeps.plan import Facts
from wbc_jax.sweeps.trials import Trial
from wbc_jax.training.environment import given_command
from wbc_jax.training.prepare_data import task_name


class Finished(NamedTuple):
    """What a run has left.

    Attributes:
        run: its files.
        answers: to its test.
        seconds: what it took.
    """

    run: Run
    answers: Answers
    seconds: float


def read_finished(trials: Sequence[Trial]) -> tuple[dict[Path, Finished], dict[Path, str]]:
    """Reads the runs that have left results, by their directories.

    Returns:
        Those that can be read, and of the others why not.
    """
    finished, unreadable = dict[Path, Finished](), dict[Path, str]()
    for trial in trials:
        if trial.is_finished():
            try:
                judging = JUDGING[task_name(trial.config)]
                run = judging.read_run(trial.workdir)
                left = Finished(run, judging.read_answers(run), wall_seconds(trial))
                finished[trial.workdir] = left
            except UserError as error:
                unreadable[trial.workdir] = str(error)
    return finished, unreadable


def write_sweep(
    sweep: Sweep,
    trials: Sequence[Trial],
    finished: Mapping[Path, Finished],
    facts: Mapping[str, Facts],
    errors: Mapping[Path, str],
    output: Path,
) -> Path:
    """Pools and compares the runs that are finished and writes the sweep's page and tables.

    Args:
        sweep: what was run.
        trials: its runs.
        finished: what they have left, by their directories; that of one at least.
        facts: of its settings.
        errors: of runs that have failed, by their directories.
        output: the sweep's directory.

    Returns:
        The path of sweep.html.

    Raises:
        UserError: the runs saw different images.
    """
    runs: dict[str, list[Run]] = {}
    answers: dict[str, dict[int, Answers]] = {}
    seconds: dict[str, dict[int, float]] = {}
    configs: dict[str, dict[str, Any]] = {}
    for trial in trials:
        if own := finished.get(trial.workdir):
            runs.setdefault(trial.setting.title, []).append(own.run)
            answers.setdefault(trial.setting.title, {})[trial.seed] = own.answers
            seconds.setdefault(trial.setting.title, {})[trial.seed] = own.seconds
            configs[trial.setting.title] = flatten(trial.config.to_dict())
    require_same_data([of_setting[0] for of_setting in runs.values()])
    task = task_name(trials[0].config)
    fields = _fields(sweep, configs)
    settings = [
        _figures(task, runs[setting.title], answers[setting.title])
        | asdict(facts[setting.title])
        | _comparison(task, setting.title, setting.against or sweep.reference, answers)
        | {
            "wall_seconds": over_seeds(seconds[setting.title]),
            "name": setting.title,
            "place": place,
            "config": setting.config,
            "fields": {name: _value(configs[setting.title].get(name)) for name in fields},
        }
        for place, setting in enumerate(sweep.settings)
        if setting.title in runs
    ]
    settings.sort(key=MEASURES[task].main.place_key)
    for rank, one in enumerate(settings, start=1):
        one["rank"] = rank
    content = {
        "title": output.name,
        "question": sweep.question,
        "command": f"python {given_command()}",
        "folder": str(output),
        "task": task,
        "reference": sweep.reference,
        "fields": fields,
        "intervals": JUDGING[task].intervals,
        "settings": settings,
        "trials": [_state(trial, finished, errors) for trial in trials],
    }
    return write_sweep_page(content, output)


def _figures(task: str, runs: Sequence[Run], answers: Mapping[int, Answers]) -> dict[str, Any]:
    """Returns what the finished runs of a setting have come to, without the others."""
    judging = JUDGING[task]
    curves = {str(run.results["seed"]): judging.curve(run) for run in runs}
    return judging.pool(runs, answers) | {"curves": curves}


def _comparison(
    task: str, title: str, against: str, answers: Mapping[str, Mapping[int, Answers]]
) -> dict[str, Any]:
    """Returns a setting's difference from another, in figures and in words, where there is any."""
    difference, words = None, ""
    if title != against and against in answers:
        difference = paired_difference(answers[title], answers[against], JUDGING[task].resample)
        words = verdict(difference, title, against, MEASURES[task])
    return {"against": against, "difference": difference, "verdict": words}


def _fields(sweep: Sweep, configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns the fields that the sweep changes and that differ between its settings."""
    changed = dict.fromkeys(name for setting in sweep.settings for name in setting.changes)
    return [
        name
        for name in changed
        if len({_value(config.get(name)) for config in configs.values()}) > 1
    ]


def _value(value: Any) -> str:
    return "" if value is None else short(value)


def _state(
    trial: Trial, finished: Mapping[Path, Finished], errors: Mapping[Path, str]
) -> dict[str, Any]:
    state = "failed" if trial.workdir in errors else "missing"
    return {
        "setting": trial.setting.title,
        "seed": trial.seed,
        "workdir": str(trial.workdir),
        "state": "finished" if trial.workdir in finished else state,
        "error": errors.get(trial.workdir, ""),
    }
