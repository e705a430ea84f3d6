"""What the finished runs of a sweep come to.

path = write_sweep(sweep, trials, facts, errors, output, text=table)           # .../sweep.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wbc_jax.evaluation.answers import Answers
from wbc_jax.evaluation.paired import paired_difference, verdict
from wbc_jax.evaluation.pool import answers_by_seed, pool_setting, require_same_data
from wbc_jax.evaluation.pooled_figures import INTERVALS, over_seeds
from wbc_jax.nested import flatten
from wbc_jax.reporting.epochs import metric_values
from wbc_jax.reporting.run_files import Run, read_run
from wbc_jax.reporting.sweep_page import write_sweep_page
from wbc_jax.reporting.sweep_tables import METRIC
from wbc_jax.sweeps.cost import wall_seconds
from wbc_jax.sweeps.definition import Sweep
from wbc_jax.sweeps.plan import Facts
from wbc_jax.sweeps.trials import Trial


def write_sweep(
    sweep: Sweep,
    trials: Sequence[Trial],
    facts: Mapping[str, Facts],
    errors: Mapping[Path, str],
    output: Path,
    *,
    text: str,
) -> Path:
    """Pools and compares the runs that are finished and writes the sweep's page and tables.

    Args:
        sweep: what was run.
        trials: its runs; one at least is finished.
        facts: of its settings.
        errors: of runs that have failed, by their directories.
        output: the sweep's directory.
        text: how the sweep was named on the command line.

    Returns:
        The path of sweep.html.

    Raises:
        UserError: a run's files cannot be read, or runs that are compared saw different images.
    """
    runs: dict[str, list[Run]] = {}
    seconds: dict[str, dict[int, float]] = {}
    configs: dict[str, dict[str, Any]] = {}
    for trial in trials:
        if trial.is_finished():
            runs.setdefault(trial.setting.title, []).append(read_run(trial.workdir))
            seconds.setdefault(trial.setting.title, {})[trial.seed] = wall_seconds(trial)
            configs[trial.setting.title] = flatten(trial.config.to_dict())
    for name in {own[0].results["dataset"] for own in runs.values()}:
        require_same_data([own[0] for own in runs.values() if own[0].results["dataset"] == name])
    fields = _fields(sweep, configs)
    answers = {title: answers_by_seed(own) for title, own in runs.items()}
    settings = [
        _figures(runs[setting.title], seconds[setting.title])
        | asdict(facts[setting.title])
        | _comparison(setting.title, setting.against or sweep.reference, answers)
        | {
            "name": setting.title,
            "place": place,
            "config": setting.config,
            "fields": {name: _value(configs[setting.title].get(name)) for name in fields},
        }
        for place, setting in enumerate(sweep.settings)
        if setting.title in runs
    ]
    settings.sort(key=lambda one: -one["image"][METRIC]["mean"])
    for rank, one in enumerate(settings, start=1):
        one["rank"] = rank
    content = {
        "title": Path(text.partition(":")[0]).stem,
        "question": sweep.question,
        "command": f"python launch.py --mode=sweep --sweep={text} --workdir={output}",
        "folder": str(output),
        "reference": sweep.reference,
        "fields": fields,
        "intervals": INTERVALS,
        "settings": settings,
        "trials": [_state(trial, errors) for trial in trials],
    }
    return write_sweep_page(content, output)


def _figures(runs: Sequence[Run], seconds: Mapping[int, float]) -> dict[str, Any]:
    """Returns what the finished runs of a setting have come to, without the others.

    Args:
        runs: of the setting.
        seconds: what they took, by seed.
    """
    epochs = {run.results["seed"]: run.results["epochs"] for run in runs}
    return pool_setting(runs) | {
        "wall_seconds": over_seeds(seconds),
        "curves": {
            str(seed): metric_values(own, "test", METRIC).tolist() for seed, own in epochs.items()
        },
    }


def _comparison(
    title: str, against: str, answers: Mapping[str, Mapping[int, Answers]]
) -> dict[str, Any]:
    """Returns a setting's difference from another, in figures and in words, where there is any."""
    difference, words = None, ""
    if title != against and against in answers:
        difference = paired_difference(answers[title], answers[against])
        words = verdict(difference, title, against)
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
    if isinstance(value, tuple):
        return "-".join(map(str, value)) or "none"
    return "" if value is None else str(value)


def _state(trial: Trial, errors: Mapping[Path, str]) -> dict[str, Any]:
    state = (
        "finished" if trial.is_finished() else "failed" if trial.workdir in errors else "missing"
    )
    return {
        "setting": trial.setting.title,
        "seed": trial.seed,
        "workdir": str(trial.workdir),
        "state": state,
        "error": errors.get(trial.workdir, ""),
    }
