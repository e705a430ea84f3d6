"""A sweep whose runs are finished, as the trainer leaves them, and its page."""

import json
from pathlib import Path
from typing import Any

from tests.reporting.conftest import write_run
from wbc_jax.sweeps.definition import Setting, Sweep, grid
from wbc_jax.sweeps.plan import Facts
from wbc_jax.sweeps.trials import Trial, make_trials
from wbc_jax.sweeps.write import write_sweep

CONFIG = "configs/cnn.py:official"


def make_sweep(**fields: Any) -> Sweep:
    changes = grid({"model.num_norms": (0, 2), "model.num_pools": (1, 2, 3)})
    settings = (*(Setting(CONFIG, one) for one in changes), Setting(CONFIG, {}, "<b>100 % & _x_"))
    return Sweep("Which layers?", settings, reference="<b>100 % & _x_", **fields)


def write_all(tmp_path: Path, *, leave_out: int = 0, is_leaky: bool = False) -> list[Trial]:
    trials = make_trials(make_sweep(), tmp_path / "out")
    for place, trial in enumerate(trials[: len(trials) - leave_out]):
        # The reference's runs, the last, are its own; the others differ from setting to setting.
        path = write_run(
            trial.workdir, seed=trial.seed, is_leaky=is_leaky, protocol="official", num_epochs=5
        )
        results = json.loads((path / "results.json").read_text(encoding="utf-8"))
        results["wall_seconds"] = 100.0 + place
        (path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return trials


def write_page(trials: list[Trial], tmp_path: Path, errors: dict[Path, str] | None = None) -> Path:
    titles = dict.fromkeys(trial.setting.title for trial in trials)
    facts = {title: Facts(3 + i, 1000 * (9 - i), 10**i) for i, title in enumerate(titles)}
    text, output = "configs/sweeps/x.py:official", tmp_path / "out"
    return write_sweep(make_sweep(), trials, facts, errors or {}, output, text=text)
