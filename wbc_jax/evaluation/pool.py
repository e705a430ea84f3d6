"""Many finished runs as one table: seeds and folds of one setting together, settings side by side.

pool([Path("runs/cnn-official-seed0"), Path("runs/cnn-official-seed1")], Path("runs/pooled"))
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wbc_jax.atomic_files import write_text
from wbc_jax.errors import UserError
from wbc_jax.evaluation.hard_smears import DOUBTFUL_COLUMNS
from wbc_jax.evaluation.judging import JUDGING, Judging
from wbc_jax.evaluation.run_groups import (
    answers_by_seed,
    differing,
    fields_of,
    group_by_setting,
    recipes,
)
from wbc_jax.reporting.csv_text import csv_text
from wbc_jax.reporting.output_folder import (
    make_output_folder,
    require_may_be_written,
    require_ours,
)
from wbc_jax.reporting.pool_plots import network_name, protocol_name
from wbc_jax.reporting.pooled_page import write_pooled
from wbc_jax.reporting.run_files import Run, read_runs

# From the paper's to the strictest; what is not named here follows.
_PROTOCOL_ORDER = ("paper", "paper_grouped", "official", "crossval")
DOUBTFUL = "doubtful.csv"
_DOUBTFUL_COLUMNS = ("network", "protocol", *DOUBTFUL_COLUMNS)
_MODEL_ORDER = ("cnn", "alexnet", "resnet50", "vgg19")


def pool(paths: Sequence[Path], output: Path) -> Path:
    """Writes pooled.json, pooled.md, pooled.html and figures/gap.svg|png into `output`.

    And, of classifiers, doubtful.csv: the images whose label no seed's answers agree with.

    Args:
        paths: directories of finished runs of one task, of any networks, protocols, seeds and
            folds.
        output: a directory; it is made where it is missing.

    Returns:
        The path of pooled.html.

    Raises:
        UserError: no run is given, one is given twice, one cannot be read, they are of two tasks,
            runs of one setting do not go together, or `output` cannot be written, or holds a
            doubtful.csv that somebody else has written or changed.
    """
    require_may_be_written(output)
    require_ours(output / DOUBTFUL, csv_text([], _DOUBTFUL_COLUMNS), "a pool")
    runs = read_runs(paths, task=None)
    task = _task(runs)
    judging = JUDGING[task]
    groups = sorted(group_by_setting(runs), key=lambda group: _places(group[0]))
    settings = [fields_of(group[0]) for group in groups]
    names = differing(settings)
    answers = [answers_by_seed(group, judging.read_answers) for group in groups]
    pooled = [
        judging.pool(group, given)
        | {"recipe": recipe, "settings": {name: own.get(name) for name in names}}
        for group, given, recipe, own in zip(
            groups, answers, recipes(settings), settings, strict=True
        )
    ]
    content = {
        "task": task,
        "intervals": judging.intervals,
        "protocols": sorted(
            {group["protocol"] for group in pooled}, key=lambda name: _rank(name, _PROTOCOL_ORDER)
        ),
        # Recipe by recipe, so that one network's protocols stand together.
        "groups": sorted(pooled, key=lambda g: (_rank(g["model"], _MODEL_ORDER), g["recipe"])),
    }
    make_output_folder(output)
    _write_doubtful(judging, pooled, answers, output / DOUBTFUL)
    return write_pooled(content, output)


def _task(runs: Sequence[Run]) -> str:
    first = runs[0]
    for run in runs[1:]:
        if run.task != first.task:
            raise UserError(
                f"--runs: {first.path} is a run of the task {first.task!r} and {run.path} of "
                f"{run.task!r}, whose figures do not stand in one table; pool them apart"
            )
    return first.task


def _write_doubtful(
    judging: Judging[Any], groups: Sequence[Mapping[str, Any]], answers: Sequence[Any], path: Path
) -> None:
    if judging.doubtful is None:
        path.unlink(missing_ok=True)  # of classifiers that were pooled here before
        return
    rows = [
        {"network": network_name(group), "protocol": protocol_name(group), **row}
        for group, given in zip(groups, answers, strict=True)
        for row in judging.doubtful(given, group["classes"])
    ]
    write_text(path, csv_text(rows, _DOUBTFUL_COLUMNS))


def _places(run: Run) -> tuple[tuple[int, str], ...]:
    return (
        _rank(run.results["model"], _MODEL_ORDER),
        _rank(run.results["protocol"], _PROTOCOL_ORDER),
    )


def _rank(name: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)
