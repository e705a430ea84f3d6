"""From the start of the process to the report: `launch.py` against a plain PyTorch script.

python -m benchmarks.whole_job --data_dir=DIR
python -m benchmarks.whole_job --data_dir=DIR --epochs=5 --pairs=3 --json=job.json

Both train the CNN on the same 1987 images of the paper's division and test it on the same 500
after every epoch. Ours also writes checkpoints, predictions, figures and the report. PyTorch's is
`benchmarks.torch_script`, which decodes the images in two workers whenever it needs them, or once
per start with `in_memory`. Ours finds what its very first start has left in the caches: prepared
images and compiled programs. That one is timed apart. Every start has a new folder; all take
turns.
"""

import importlib.util
import json
import os
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.command_line import (
    add_data_dir,
    add_outputs,
    at_least,
    create_parser,
    run,
    say,
    some_of,
)
from benchmarks.processes import start
from benchmarks.timing import Spread, pairwise_ratios, spread
from wbc_jax.errors import UserError
from wbc_jax.text_table import text_table

VARIANTS = {"files": [], "in_memory": ["--in_memory"]}
Job = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    """Runs the jobs in turn and prints how long they took.

    Raises:
        UserError: PyTorch is not installed, or the images are not there.
    """
    options = _parse(arguments)
    if importlib.util.find_spec("torch") is None:
        raise UserError('PyTorch is not installed; pip install -e ".[bench]" brings it')
    from benchmarks.machine import describe_machine, load_before
    from benchmarks.outputs import write_result

    machine = describe_machine(load_before())
    with tempfile.TemporaryDirectory(prefix="wbc-whole-job-") as folder:
        first_seconds, jobs = measure(options, Path(folder))
    print(job_table(jobs))
    print(f"\nour very first start, with empty caches: {first_seconds:.1f} s")
    result = {
        "benchmark": "whole_job",
        "machine": machine,
        "epochs": options.epochs,
        "ratio": "median over the rounds of PyTorch's time over ours in the same round",
        "ours_first_seconds": first_seconds,
        "jobs": [{**job, **_summary(jobs, job)} for job in jobs],
    }
    write_result(options.json, result)


def measure(options: Namespace, folder: Path) -> tuple[float, list[Job]]:
    """Returns the seconds of our first start, and of every job its samples and last accuracies.

    Args:
        options: of the command line.
        folder: where everything is written, caches too; empty.
    """
    environment = _environment(folder / "cache")
    first_seconds, _ = start(our_command(options, folder / "ours-first"), environment)
    say(f"our first start: {first_seconds:.1f} s")
    # A first start of the others too: the disk's cache then holds what they read.
    start(torch_command(options, folder / "torch-first", ["--epochs=1"]), environment)
    jobs: list[Job] = [
        {"name": name, "seconds": [], "test_accuracy": []}
        for name in ("ours", *(f"torch {variant}" for variant in options.torch))
    ]
    for turn in range(options.pairs):
        for job in jobs:
            workdir = folder / f"{job['name'].replace(' ', '-')}-{turn}"
            if job["name"] == "ours":
                command = our_command(options, workdir)
            else:
                command = torch_command(options, workdir, VARIANTS[job["name"].split()[1]])
            seconds, _ = start(command, environment)
            results = json.loads((workdir / "results.json").read_text(encoding="utf-8"))
            job["seconds"].append(seconds)
            job["test_accuracy"].append(results["test"]["categorical_accuracy"])
            say(f"{job['name']}: {seconds:.1f} s")
    return first_seconds, jobs


def our_command(options: Namespace, workdir: Path) -> list[str]:
    """Returns how a user starts the product."""
    return [
        "launch.py",
        "--config=configs/cnn.py:paper",
        f"--config.train.num_epochs={options.epochs}",
        f"--workdir={workdir}",
        f"--data_dir={options.data_dir}",
    ]


def torch_command(options: Namespace, workdir: Path, flags: Sequence[str]) -> list[str]:
    """Returns how the script is started."""
    return [
        "-m",
        "benchmarks.torch_script",
        f"--epochs={options.epochs}",
        f"--workdir={workdir}",
        f"--data_dir={options.data_dir}",
        *flags,
    ]


def ratio_to_ours(jobs: Sequence[Job], job: Job) -> Spread:
    """Returns a job's time over ours in the same round; above 1 where ours is faster."""
    return spread(pairwise_ratios(job["seconds"], jobs[0]["seconds"]))


def job_table(jobs: Sequence[Job]) -> str:
    """Returns median times, ratios and accuracies as text; the first job is ours."""
    rows = []
    for job in jobs:
        seconds, ratio = spread(job["seconds"]), ratio_to_ours(jobs, job)
        accuracy = spread(job["test_accuracy"])
        rows.append(
            [
                job["name"],
                f"{seconds.median:.1f}",
                f"{seconds.lower:.1f} to {seconds.upper:.1f}",
                f"{ratio.median:.2f}",
                f"{accuracy.median:.1%}",
            ]
        )
    header = ["job", "median\ns", "middle half\ns", "over ours\nmedian", "accuracy\ntest"]
    return text_table(header, rows)


def _summary(jobs: Sequence[Job], job: Job) -> dict[str, Any]:
    ratio = ratio_to_ours(jobs, job)
    return {
        "median_seconds": spread(job["seconds"]).median,
        "ratio": ratio.median,
        "ratio_quartiles": [ratio.lower, ratio.upper],
    }


def _environment(cache_dir: Path) -> dict[str, str]:
    """Returns this process' environment with every cache of ours in one empty folder."""
    inherited = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    return inherited | {"WBC_CACHE_DIR": str(cache_dir)}


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = create_parser("whole_job", __doc__)
    add_data_dir(parser)
    parser.add_argument("--epochs", type=at_least(1), default=5, help="Default: 5.")
    parser.add_argument("--pairs", type=at_least(1), default=3, help="Rounds. Default: 3.")
    parser.add_argument(
        "--torch",
        type=some_of(VARIANTS),
        default=list(VARIANTS),
        help=f"How the script reads its images. Default: {','.join(VARIANTS)}.",
    )
    add_outputs(parser, plot=False)
    options = parser.parse_args(arguments)
    options.data_dir = options.data_dir.resolve()  # the processes start elsewhere
    return options


if __name__ == "__main__":
    run(main)
