"""Kills trainings at random moments, goes on with them, and compares what they come to.

python -m benchmarks.kills --num_kills=100
python -m benchmarks.kills --num_kills=100 --seed=1 --json=kills.json

A small CNN on drawings (`configs/cnn.py:smoke`) is trained once without a disturbance. Then the
same training is killed (SIGKILL) while it starts, takes steps, evaluates, saves or writes its
report, and started again, until it is done; and all of it again until there were kills enough.
Every run must end with the bits of the first. Exit code 1: one did not.
"""

import importlib
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from benchmarks.command_line import add_cache_dir, add_outputs, at_least, create_parser, run, say
from benchmarks.kill_phases import NAMES, Phases, start_training
from benchmarks.machine import describe_machine, load_before
from benchmarks.run_differences import run_differences
from wbc_jax import run_names
from wbc_jax.reporting.markdown import markdown_row

_POLL_SECONDS = 0.0002
# How often a phase comes up in a start, about: the kill waits for one of these times.
_TIMES = {"start": 1, "step": 2, "evaluation": 2, "save": 3, "report": 1}
_CHANGES = {"train.num_epochs": 3, "checkpoint.every_steps": 2, "train.steps_per_call": 1}


class Outcome(NamedTuple):
    """What the kills did.

    Attributes:
        kills: number of kills in each phase; in several, if more than one was going on.
        num_kills: number of kills.
        num_runs: number of runs that were killed, and went on to their end.
        differences: of each of them from the run that nothing disturbed, in words.
    """

    kills: dict[str, int]
    num_kills: int
    num_runs: int
    differences: list[str]


def kill_and_resume(
    config: ConfigDict, *, folder: Path, cache_dir: Path, compiled: Path, num_kills: int, seed: int
) -> Outcome:
    """Kills runs of a config until there were `num_kills` kills, and lets them end.

    Args:
        config: of the runs.
        folder: for their directories; empty.
        cache_dir: with the data set prepared.
        compiled: where compiled programs are kept.
        num_kills: how often.
        seed: of the moments.

    Raises:
        RuntimeError: a run ends by itself with an error.
    """
    random = np.random.default_rng(seed)
    phases = Phases(folder / "phases")

    def start(workdir: Path) -> BaseProcess:
        return start_training(config, workdir, cache_dir, compiled, folder / "phases")

    def go_on_to_the_end(workdir: Path) -> None:
        process = start(workdir)
        process.join()
        _require_success(process, workdir)

    go_on_to_the_end(folder / "first")  # compiles: the seconds of its phases are no measure
    go_on_to_the_end(folder / "whole")
    kills: Counter[str] = Counter()
    done, num_runs, differences = 0, 0, []
    with tqdm(total=num_kills, desc="kills", disable=None) as bar:
        while done < num_kills:
            num_runs += 1
            workdir = folder / f"run{num_runs}"
            while done < num_kills:
                fewest = min(kills[name] for name in NAMES)
                wanted = str(random.choice([name for name in NAMES if kills[name] == fewest]))
                process = start(workdir)
                hit = _kill_within(process, phases, wanted, random)
                if process.exitcode != -signal.SIGKILL:
                    break  # it came to its end before the moment
                kills.update(hit)
                done += 1
                bar.update()
            go_on_to_the_end(workdir)
            found = run_differences(workdir, folder / "whole")
            if not (workdir / run_names.REPORT).is_file():
                found.append("report.html is missing")
            differences += [f"run {num_runs}: {difference}" for difference in found]
    return Outcome({name: kills[name] for name in NAMES}, done, num_runs, differences)


def table(outcome: Outcome) -> str:
    """Returns the outcome as a Markdown table."""
    rows = [["phase", "kills"], ["---", "--:"]]
    rows += [[name, str(count)] for name, count in outcome.kills.items()]
    rows += [["all", str(outcome.num_kills)]]
    same = outcome.num_runs - len({line.partition(":")[0] for line in outcome.differences})
    rows += [["runs that ended with the same bits", f"{same} of {outcome.num_runs}"]]
    return "\n".join(map(markdown_row, rows))


def _kill_within(
    process: BaseProcess, phases: Phases, wanted: str, random: np.random.Generator
) -> tuple[str, ...]:
    """Kills a process at a random moment of a phase; returns the phases it was in."""
    times = int(random.integers(1, _TIMES[wanted] + 1))
    while process.is_alive() and phases.entered(wanted) < times:
        time.sleep(_POLL_SECONDS)
    time.sleep(random.uniform(0, phases.seconds(wanted)))
    # Where other work changes how long a phase takes, the moment may lie past it: the next one.
    while process.is_alive() and wanted not in phases.active():
        time.sleep(_POLL_SECONDS)
    process.kill()
    process.join()
    return phases.active()


def _require_success(process: BaseProcess, workdir: Path) -> None:
    if process.exitcode:
        raise RuntimeError(f"the run in {workdir} ended with exit code {process.exitcode}")


def main(arguments: Sequence[str]) -> None:
    """Kills and prints the table; exits with 1 where a run did not end as it should have."""
    parser = create_parser("kills", __doc__)
    parser.add_argument("--num_kills", type=at_least(1), default=100)
    parser.add_argument("--seed", type=at_least(0), default=0, help="Of the moments.")
    add_cache_dir(parser)
    add_outputs(parser, plot=False)
    options = parser.parse_args(arguments)
    load = load_before()
    config = importlib.import_module("configs.cnn").get_config("smoke")
    config.update_from_flattened_dict(_CHANGES)
    with TemporaryDirectory(prefix="kills-") as folder:
        outcome = kill_and_resume(
            config,
            folder=Path(folder),
            cache_dir=options.cache_dir,
            compiled=options.cache_dir / "xla",
            num_kills=options.num_kills,
            seed=options.seed,
        )
    print(table(outcome))
    for difference in outcome.differences:
        say(difference)
    if options.json:
        from benchmarks.outputs import write_result

        result: dict[str, Any] = {"benchmark": "kills", "seed": options.seed}
        result["machine"] = describe_machine(load)
        write_result(options.json, result | outcome._asdict())
    sys.exit(bool(outcome.differences))


if __name__ == "__main__":
    run(main)
