"""How long a run will take, about: from runs that are finished, else from a matrix product.

seconds_of = make_estimate(trials, facts, num_train=7968, num_measured=4476)
seconds_of(trials[0])
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from wbc_jax import run_names
from wbc_jax.accelerators import has_accelerator
from wbc_jax.errors import UserError
from wbc_jax.sweeps.plan import Facts
from wbc_jax.sweeps.trials import Trial

# Forward, and the gradients of what goes in and of the weights.
_PASSES = 3
# Of the rate of a large matrix product, by these networks' training steps on a CPU: 0.87 to 2.5
# (docs/performance.md); what is not a product, and the test after every epoch, is covered by it.
_SHARE_OF_PEAK = 0.8
_START_SECONDS = 15.0  # imports, compilation, report
_MATRIX = 2048


def make_estimate(
    trials: Sequence[Trial], facts: Mapping[str, Facts], *, num_train: int, num_measured: int
) -> Callable[[Trial], float | None]:
    """Returns what estimates a run's seconds; None before a run has shown an accelerator's rate.

    Args:
        trials: of the sweep; those that are finished tell the rate.
        facts: of the settings.
        num_train: images of an epoch.
        num_measured: images of validation and test that are answered after it.

    Raises:
        UserError: the results of a finished run are damaged.
    """

    def products(trial: Trial) -> float:
        images = _PASSES * num_train + num_measured
        return facts[trial.setting.title].multiply_adds * images * trial.config.train.num_epochs

    done = [(trial, wall_seconds(trial)) for trial in trials if trial.is_finished()]
    own: dict[str, list[float]] = {}
    for trial, spent in done:
        own.setdefault(trial.setting.title, []).append(spent)
    if not done and has_accelerator():
        return lambda trial: None
    if done:
        rate = float(np.median([products(trial) / spent for trial, spent in done]))
        start = 0.0
    else:
        rate, start = _SHARE_OF_PEAK * _matrix_rate(), _START_SECONDS

    def seconds_of(trial: Trial) -> float:
        known = own.get(trial.setting.title)
        return float(np.mean(known)) if known else start + products(trial) / rate

    return seconds_of


def wall_seconds(trial: Trial) -> float:
    """Returns what a finished run took, or its share of what several seeds took in one program.

    Raises:
        UserError: its files are damaged.
    """
    path = trial.workdir / run_names.RESULTS
    try:
        seconds = float(json.loads(path.read_text(encoding="utf-8"))["wall_seconds"])
        path = trial.workdir / run_names.ENVIRONMENT
        together = json.loads(path.read_text(encoding="utf-8")).get("seeds_at_once", [trial.seed])
        return seconds / len(together)  # in one program a seed's seconds are those of all
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is damaged ({error!r}); remove the folder {trial.workdir}, and the same "
            "command trains that run again"
        ) from error


def _matrix_rate() -> float:
    """Returns the multiply-adds per second of a product of large matrices, the best of three."""
    left = np.ones((_MATRIX, _MATRIX), np.float32)
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        left @ left
        spent.append(time.perf_counter() - start)
    return _MATRIX**3 / min(spent)
