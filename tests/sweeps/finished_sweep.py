"""A sweep whose runs are finished, as the trainer leaves them, and its page."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.reporting.conftest import CLASSES, fake_examples, write_run
from wbc_jax.evaluation.results import write_predictions
from wbc_jax.sweeps.definition import Setting, Sweep, grid
from wbc_jax.sweeps.plan import Facts
from wbc_jax.sweeps.trials import Trial, make_trials
from wbc_jax.sweeps.write import read_finished, write_sweep

CONFIG = "configs/cnn.py:official"
REFERENCE = "<b>100 % & _x_"
# Of the test's 20 smears, those that each setting answers wrongly, the reference last.
NUM_WRONG = (4, 10, 8, 6, 2, 0, 4)
NUM_IMAGES = 40  # two of each smear


def make_sweep(**fields: Any) -> Sweep:
    changes = grid({"model.num_norms": (0, 2), "model.num_pools": (1, 2, 3)})
    settings = (*(Setting(CONFIG, one) for one in changes), Setting(CONFIG, {}, REFERENCE))
    return Sweep("Which layers?", settings, reference=REFERENCE, **fields)


def write_all(tmp_path: Path, *, leave_out: int = 0, is_leaky: bool = False) -> list[Trial]:
    sweep = make_sweep()
    trials = make_trials(sweep, tmp_path / "out")
    for place, trial in enumerate(trials[: len(trials) - leave_out]):
        path = write_run(
            trial.workdir, seed=trial.seed, is_leaky=is_leaky, protocol="official", num_epochs=5
        )
        write_answers(path, NUM_WRONG[sweep.settings.index(trial.setting)])
        results = json.loads((path / "results.json").read_text(encoding="utf-8"))
        results["wall_seconds"] = 100.0 + place
        (path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return trials


def write_answers(run: Path, num_wrong: int) -> None:
    """Answers the first smears of the test wrongly; from five on one image of the last one, too.

    That image is less sure than the other of its smear, which is answered rightly as a whole.
    """
    examples = fake_examples(NUM_IMAGES, len(CLASSES))
    right, wrong = np.eye(4)[examples.label], np.eye(4)[(examples.label + 1) % 4]
    is_wrong = np.arange(NUM_IMAGES) % (NUM_IMAGES // 2) < num_wrong
    probabilities = np.where(is_wrong[:, None], wrong, right)
    if num_wrong > 4:
        probabilities[-1] = 0.4 * right[-1] + 0.6 * wrong[-1]
    write_predictions(run, examples, probabilities)


def write_page(trials: list[Trial], tmp_path: Path, errors: dict[Path, str] | None = None) -> Path:
    finished, unreadable = read_finished(trials)
    assert unreadable == {}
    output = tmp_path / "out"
    return write_sweep(make_sweep(), trials, finished, make_facts(trials), errors or {}, output)


def make_facts(trials: list[Trial]) -> dict[str, Facts]:
    titles = dict.fromkeys(trial.setting.title for trial in trials)
    return {title: Facts(3 + i, 1000 * (9 - i), 10**i) for i, title in enumerate(titles)}
