"""Training steps of several seeds in one program, against one seed after another.

python -m benchmarks.seeds                                         CNN and SmallResNet, 4 seeds
python -m benchmarks.seeds --networks=cnn,resnet50 --seeds=2,8 --json=seeds.json

On any platform, on the embedded drawings. One sample is so many steps of every seed; both ways take
turns. A ratio above 1 says that one program is faster. Preparation, compilation, tests and reports
are not in it. `wbc_jax.training.seeds` chooses by what this shows.
"""

from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from benchmarks.command_line import (
    add_cache_dir,
    add_outputs,
    at_least,
    create_parser,
    numbers,
    run,
    say,
    some_of,
)
from benchmarks.timing import Task, pairwise_ratios, spread, time_alternately
from wbc_jax.datasets.places import Places
from wbc_jax.reporting.markdown import markdown_row

_NETWORKS = ("cnn", "alexnet", "resnet50", "vgg19", "small_resnet")


def main(arguments: Sequence[str]) -> None:
    """Measures and prints a row per network and number of seeds, as Markdown.

    Raises:
        UserError: a flag is wrong.
    """
    options = _parse(arguments)
    import jax

    from benchmarks.machine import describe_machine, load_before
    from benchmarks.outputs import write_result

    machine = describe_machine(load_before())
    rows = []
    for network in options.networks:
        for num_seeds in options.seeds:
            say(f"{network}, {num_seeds} seeds")
            rows.append(_measure(network, num_seeds, options))
    device = jax.devices()[0]
    print(f"{device.platform}: {device.device_kind}, {jax.device_count()} devices\n")
    print(table(rows))
    result = {"benchmark": "seeds", "machine": machine, "platform": device.platform, "rows": rows}
    write_result(options.json, result)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Returns the measurements as a Markdown table.

    Args:
        rows: network, seeds, batch size, and seconds of a step of all seeds, both ways.
    """
    heading = ["network", "seeds", "batch", "one after another, ms", "one program, ms"]
    heading.append("ratio (middle half)")
    lines = [markdown_row(heading), markdown_row(["---", *["--:"] * 5])]
    for row in rows:
        solo, together = (spread(row[way]).median for way in ("solo", "together"))
        ratio = spread(pairwise_ratios(row["solo"], row["together"]))
        cells = [row["network"], str(row["seeds"]), str(row["batch_size"])]
        cells += [f"{1e3 * solo:.1f}", f"{1e3 * together:.1f}"]
        cells.append(f"**{ratio.median:.2f}** ({ratio.lower:.2f} to {ratio.upper:.2f})")
        lines.append(markdown_row(cells))
    return "\n".join(lines)


def _measure(network: str, num_seeds: int, options: Namespace) -> dict[str, Any]:
    import jax

    from benchmarks.compiled_steps import CompiledSteps
    from wbc_jax.training.experiment import build_experiment
    from wbc_jax.training.seed_steps import SeedSteps, stack
    from wbc_jax.training.train_step import zero_sums

    config = import_module(f"configs.{network}").get_config(options.preset)
    config.train.batch_size = options.batch_size
    experiments = []
    for seed in range(num_seeds):
        config.seed = seed
        experiments.append(build_experiment(config, Places(None, options.cache_dir)))
    solo = [
        CompiledSteps(
            own.run_steps,
            own.initial_state(),
            own.data.partition.train,
            own.mesh,
            batch_size=config.train.batch_size,
            steps_per_call=options.steps,
            seed=own.seed,
        )
        for own in experiments
    ]
    together = SeedSteps(config, experiments)
    states = stack([own.initial_state() for own in experiments], together.sharding)
    zeros = stack([zero_sums()] * num_seeds, together.sharding)

    def one_after_another(count: int) -> None:
        for own in solo:
            own.run(count)

    def in_one_program(count: int) -> None:
        nonlocal states
        states, sums = together.run(states, zeros, epoch=1, first=0, last=count)
        jax.block_until_ready(sums)

    count = min(options.steps, *together.num_steps)
    one_after_another(1)
    in_one_program(1)
    tasks = {"solo": Task(one_after_another, count), "together": Task(in_one_program, count)}
    samples = time_alternately(tasks, repeats=options.repeats)
    row = {"network": network, "seeds": num_seeds, "batch_size": config.train.batch_size}
    return row | {"steps": count, **samples}


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = create_parser("seeds", __doc__)
    parser.add_argument(
        "--networks", type=some_of(_NETWORKS), default=["cnn", "small_resnet"], help="Of configs/."
    )
    parser.add_argument("--seeds", type=numbers, default=[4], help="How many at once. Default: 4.")
    parser.add_argument("--batch_size", type=at_least(1), default=16, help="Default: 16.")
    parser.add_argument("--steps", type=at_least(1), default=10, help="Of a sample. Default: 10.")
    parser.add_argument("--repeats", type=at_least(1), default=5, help="Rounds. Default: 5.")
    parser.add_argument(
        "--preset", choices=("synthetic", "smoke"), default="synthetic", help="Default: synthetic."
    )
    add_cache_dir(parser)
    add_outputs(parser, plot=False)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main)
