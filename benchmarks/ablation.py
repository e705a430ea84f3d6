"""What each lever of a recipe brings on smears held out of TRAIN.

python -m benchmarks.ablation --data_dir=DIR --network=cnn --seeds=3
python -m benchmarks.ablation --data_dir=DIR --levers=mixup,stain --json=ablation.json

The recipe of configs/recipes/white_cell.py is trained with all its settings, and again with one
lever changed at a time, under `official_dev`; a seed has its own held-out smears, so a lever is
compared with the recipe of the same seed. A training that is finished is not done again: its
fields are checked instead. No image of TEST is seen.
"""

import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command_line import (
    add_data_dir,
    add_outputs,
    at_least,
    create_parser,
    run,
    say,
    some_of,
)
from wbc_jax.errors import UserError
from wbc_jax.nested import flatten
from wbc_jax.reporting.markdown import markdown_row

ROOT = Path(__file__).parents[1]
RECIPE = "recipe"
NETWORKS = ("cnn", "alexnet")  # the other two have neither dropout nor a choice of norm
LEVERS: dict[str, dict[str, Any]] = {
    "whole view": {"data.view": "whole"},
    "gray": {"data.bands": "nonlinear", "augment.stain": 0.0},
    "no flips": {"augment.mirror": False, "augment.flip": False},
    "no rotation": {"augment.rotation": 0.0},
    "no scale": {"augment.scale": 0.0},
    "no shear": {"augment.shear": 0.0},
    "no shift": {"augment.crop_margin": 0},
    "no stain jitter": {"augment.stain": 0.0},
    "no light jitter": {"augment.light": 0.0},
    "cut-out": {"augment.cutout": 0.3},
    "balance by classes": {"data.balance": "classes"},
    "no balance": {"data.balance": "none"},
    "no label smoothing": {"train.label_smoothing": 0.0},
    "no mixup": {"train.mixup": 0.0},
    "no average of weights": {"train.average_decay": 0.0},
    "constant rate": {"optim.schedule": "constant"},
    "binary cross-entropy": {"train.loss": "binary_cross_entropy"},
    "dropout 0.5": {"model.dropout_rate": 0.5},
    "group norm": {"model.norm": "group"},
    "no test-time flips": {"eval.test_time_flips": False},
}
_LEVEL = {"images": "test", "smears": "test_smears"}


def main(arguments: Sequence[str]) -> None:
    """Trains what is missing and prints the table as Markdown.

    Raises:
        UserError: a training fails, or a finished one is of another recipe.
    """
    options = _parse(arguments)
    chosen: dict[str, dict[str, Any]] = {
        RECIPE: {},
        **{name: LEVERS[name] for name in options.levers},
    }
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    for seed in range(options.seeds):
        recipe: dict[str, Any] = {}
        for name, changes in chosen.items():
            workdir = options.runs / f"{options.network}-{slug(name)}-seed{seed}"
            if not (workdir / "results.json").is_file():
                say(f"seed {seed}: {name}")
                _train(workdir, options, seed, changes)
            fields = flatten(json.loads((workdir / "config.json").read_text(encoding="utf-8")))
            recipe = recipe or fields
            _require_changed(workdir, recipe, fields, changes)
            results[name].append(json.loads((workdir / "results.json").read_text(encoding="utf-8")))
    rows = {name: summary(results[RECIPE], own) for name, own in results.items()}
    print(table(rows))
    if options.json:
        from benchmarks.machine import describe_machine, load_before
        from benchmarks.outputs import write_result

        result = {"benchmark": "ablation", "machine": describe_machine(load_before())}
        result |= {"network": options.network, "seeds": options.seeds, "protocol": "official_dev"}
        write_result(options.json, {**result, "levers": rows})


def slug(name: str) -> str:
    """Returns a lever's name as part of a folder's."""
    return "-".join("".join(letter if letter.isalnum() else " " for letter in name).split())


def summary(
    recipe: Sequence[Mapping[str, Any]], changed: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    """Returns categorical accuracy at both levels, and how far the recipe's lies above it.

    Args:
        recipe: results.json of every seed.
        changed: the same with one lever changed, in the same order of seeds.

    Returns:
        images, smears -> mean and deviation of the accuracy over the seeds, and of the paired
        differences recipe - changed; shares in [0, 1]. The deviation of one seed is NaN.
    """
    found = {}
    for level, part in _LEVEL.items():
        ours, theirs = (
            np.array([one[part]["categorical_accuracy"] for one in runs])
            for runs in (recipe, changed)
        )
        found[level] = {
            "mean": float(theirs.mean()),
            "sd": _deviation(theirs),
            "brings": float((ours - theirs).mean()),
            "brings_sd": _deviation(ours - theirs),
        }
    return found


def table(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Returns the summaries as a Markdown table, in percent and percentage points."""
    heading = ["changed", "accuracy, images", "the recipe's lies above by", "accuracy, smears"]
    heading.append(heading[2])
    lines = [markdown_row(heading), markdown_row(["---", *["--:"] * 4])]
    for name, row in rows.items():
        cells = [name]
        for level in _LEVEL:
            own = {key: 100 * value for key, value in row[level].items()}
            cells.append(f"{own['mean']:.1f} ± {own['sd']:.1f} %")
            cells.append("" if name == RECIPE else f"{own['brings']:+.1f} ± {own['brings_sd']:.1f}")
        lines.append(markdown_row(cells))
    return "\n".join(lines)


def _deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _train(workdir: Path, options: Namespace, seed: int, changes: Mapping[str, Any]) -> None:
    preset = f"{options.network}-official_dev"
    command = [
        *(sys.executable, "launch.py", f"--workdir={workdir}", f"--data_dir={options.data_dir}"),
        f"--config=configs/recipes/white_cell.py:{preset}",
        f"--config.seed={seed}",
        *(f"--config.{field}={value}" for field, value in changes.items()),
    ]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise UserError(f"the training in {workdir} failed; its message stands above")


def _require_changed(
    workdir: Path, recipe: Mapping[str, Any], own: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    """Refuses a finished run of other settings than asked for."""
    changed = {name for name in recipe.keys() | own.keys() if recipe.get(name) != own.get(name)}
    if changed != {name for name, value in changes.items() if recipe.get(name) != value} or any(
        own.get(name) != value for name, value in changes.items()
    ):
        raise UserError(
            f"{workdir} differs from the recipe in {', '.join(sorted(changed)) or 'nothing'}, not "
            f"in {', '.join(changes) or 'nothing'}: it was made before a change; remove it, or "
            "name another folder with --runs"
        )


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = create_parser("ablation", __doc__)
    parser.add_argument("--network", choices=NETWORKS, default="cnn")
    parser.add_argument("--seeds", type=at_least(1), default=3, help="Seeds 0, 1 and so on.")
    parser.add_argument(
        "--levers", type=some_of(LEVERS), default=list(LEVERS), help="Names, with commas between."
    )
    parser.add_argument(
        "--runs",
        type=lambda text: Path(text).expanduser().resolve(),
        default="runs/ablation",
        metavar="DIR",
        help="Folder of the trainings' folders.",
    )
    add_data_dir(parser)
    add_outputs(parser, plot=False)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main)
