"""What a sweep will cost, and whether all of it can be run, before anything starts.

facts = describe_settings(trials)                  # by title; refuses what cannot be built
print(plan_table(trials, facts, estimate))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wbc_jax.errors import UserError
from wbc_jax.models.describe import count_kinds
from wbc_jax.reporting.number_text import duration, grouped
from wbc_jax.sweeps.trials import Trial
from wbc_jax.text_table import text_table
from wbc_jax.training.config_rules import require_valid
from wbc_jax.training.describe_model import layers_of
from wbc_jax.training.prepare_data import classes_and_input

_MOST_SHOWN = 10
_WEIGHTED = ("convolution", "dense")


@dataclass(frozen=True)
class Facts:
    """What is known of a setting's network from its layers alone.

    Attributes:
        num_layers: convolutions and dense layers, as networks are usually counted.
        num_params: trained numbers.
        multiply_adds: of one image on its way forward.
    """

    num_layers: int
    num_params: int
    multiply_adds: int


def describe_settings(trials: Sequence[Trial]) -> dict[str, Facts]:
    """Returns the facts of every setting by its title.

    Raises:
        UserError: a setting cannot be trained, or a directory is of something else; all such
            settings are named at once.
    """
    facts: dict[str, Facts] = {}
    known: dict[str, Facts] = {}  # settings that differ in other fields share a network
    wrong: dict[str, str] = {}
    for trial in trials:
        title = trial.setting.title
        try:
            trial.require_usable()
            if title not in facts and title not in wrong:
                facts[title] = _describe(trial, known)
        except UserError as error:
            wrong.setdefault(title, str(error))
    if wrong:
        rows = [f"  {title}: {text}" for title, text in list(wrong.items())[:_MOST_SHOWN]]
        if len(wrong) > _MOST_SHOWN:
            rows.append(f"  and {len(wrong) - _MOST_SHOWN} more")
        raise UserError(
            f"{len(wrong)} of the sweep's settings cannot be run, so nothing was started:\n"
            + "\n".join(rows)
        )
    return facts


def _describe(trial: Trial, known: dict[str, Facts]) -> Facts:
    config = trial.config
    require_valid(config)
    key = repr((config.model.to_dict(), classes_and_input(config)))
    if key not in known:
        layers = layers_of(config)
        kinds = count_kinds(layers)
        known[key] = Facts(
            num_layers=sum(kinds[kind] for kind in _WEIGHTED),
            num_params=sum(layer.num_params for layer in layers),
            multiply_adds=sum(layer.multiply_adds for layer in layers),
        )
    return known[key]


def plan_table(
    trials: Sequence[Trial],
    facts: Mapping[str, Facts],
    seconds_of: Callable[[Trial], float | None],
) -> str:
    """Returns one line per setting as text in columns, and what is left to do.

    Args:
        trials: of the sweep.
        facts: of its settings.
        seconds_of: estimated time of a run; None where nothing is known.
    """
    by_setting: dict[str, list[Trial]] = {}
    for trial in trials:
        by_setting.setdefault(trial.setting.title, []).append(trial)
    rows, left, num_missing = [], 0.0, 0
    for title, own in by_setting.items():
        missing, done = (
            [trial.seed for trial in own if trial.is_finished() is finished]
            for finished in (False, True)
        )
        seconds, known = seconds_of(own[0]), facts[title]
        left += (seconds or 0.0) * len(missing)
        num_missing += len(missing)
        seeds = (", ".join(map(str, group)) or "none" for group in (missing, done))
        rows.append(
            [
                title,
                str(own[0].config.train.num_epochs),
                str(known.num_layers),
                grouped(known.num_params),
                grouped(known.multiply_adds),
                duration(seconds),
                "; ".join(seeds),
            ]
        )
    total = f"{len(trials)} runs, {num_missing} to do"
    if left:
        total += f", about {duration(left)} one after the other"
    note = (
        "Layers: convolutions and dense layers. Multiply-adds: of one image forward. About: from "
        "the runs that are finished, else from this machine's matrix products."
    )
    head = ["setting", "epochs", "layers", "parameters", "multiply-adds", "a run: about"]
    return "\n".join([text_table([*head, "seeds to do; done"], rows), "", total, note])
