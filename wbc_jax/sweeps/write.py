"""What the finished runs of a sweep come to.

path = write_sweep(sweep, trials, facts, errors, output)           # .../sweep.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wbc_jax.evaluation.paired import paired_difference, verdict
from wbc_jax.evaluation.pool import answers_by_seed, pool_setting
from wbc_jax.evaluation.pooled_figures import INTERVALS, over_seeds
from wbc_jax.nested import flatten
from wbc_jax.reporting.epochs import metric_values
from wbc_jax.reporting.run_files import Run, read_run
from wbc_jax.reporting.sweep_page import write_sweep_page
from wbc_jax.sweeps.definition import Sweep
from wbc_jax.sweeps.plan import Facts
from wbc_jax.sweeps.trials import Trial

_METRIC = "categorical_accuracy"


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
        UserError: a run's files cannot be read.
    """
    runs: dict[str, list[Run]] = {}
    configs: dict[str, dict[str, Any]] = {}
    for trial in trials:
        if trial.is_finished():
            runs.setdefault(trial.setting.title, []).append(read_run(trial.workdir))
            configs[trial.setting.title] = flatten(trial.config.to_dict())
    fields = _fields(sweep, configs)
    answers = {title: answers_by_seed(own) for title, own in runs.items()}
    settings = []
    for place, setting in enumerate(sweep.settings):
        title = setting.title
        if title not in runs:
            continue
        difference, words, against = None, "", setting.against or sweep.reference
        if title != against and against in runs:
            difference = paired_difference(answers[title], answers[against])
            words = verdict(difference, title, against)
        settings.append(
            pool_setting(runs[title])
            | {
                "name": title,
                "place": place,
                "config": setting.config,
                "fields": {name: _value(configs[title].get(name)) for name in fields},
                **asdict(facts[title]),
                "wall_seconds": over_seeds(
                    {r.results["seed"]: r.results["wall_seconds"] for r in runs[title]}
                ),
                "curves": {
                    str(run.results["seed"]): metric_values(
                        run.results["epochs"], "test", _METRIC
                    ).tolist()
                    for run in runs[title]
                },
                "against": against,
                "difference": difference,
                "verdict": words,
            }
        )
    settings.sort(key=lambda one: -one["image"][_METRIC]["mean"])
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
