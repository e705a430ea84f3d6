"""Share of an epoch that is not spent in the compiled steps: dispatch, progress bar, reading.

python -m benchmarks.epoch_overhead --data_dir=DIR
python -m benchmarks.epoch_overhead --preset=smoke                 embedded drawings, no images

An epoch as a run has it (`run_epoch`, some steps per call) and all its steps in a single call of
the same compiled program take turns. The overhead is 1 - single call / epoch, per round. What
lies between epochs, evaluation and checkpoints, is not in it. The share is small: measure on an
idle machine, or it is lost in the noise.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.command_line import (
    add_cache_dir,
    add_data_dir,
    add_outputs,
    at_least,
    create_parser,
    run,
)
from benchmarks.timing import Spread, Task, pairwise_ratios, spread, time_alternately
from wbc_jax.datasets.places import Places

_PRESETS = ("paper", "paper_dev", "official", "lisc", "synthetic", "smoke")


def main(arguments: Sequence[str]) -> None:
    """Measures and prints the share.

    Raises:
        UserError: the images are not there.
    """
    parser = create_parser("epoch_overhead", __doc__)
    parser.add_argument("--preset", choices=_PRESETS, default="paper", help="Default: paper.")
    parser.add_argument("--repeats", type=at_least(1), default=7, help="Rounds. Default: 7.")
    add_data_dir(parser, required=False)
    add_cache_dir(parser)
    add_outputs(parser, plot=False)
    options = parser.parse_args(arguments)

    from benchmarks.compiled_steps import CompiledSteps
    from benchmarks.machine import describe_machine, load_before
    from benchmarks.outputs import write_result
    from configs.cnn import get_config
    from wbc_jax.training.experiment import build_experiment

    machine = describe_machine(load_before())
    config = get_config(options.preset)
    data_dir: Path | None = options.data_dir
    experiment = build_experiment(config, Places(data_dir, options.cache_dir))
    steps = CompiledSteps(
        experiment.run_steps,
        experiment.initial_state(),
        experiment.data.partition.train,
        experiment.mesh,
        batch_size=config.train.batch_size,
        steps_per_call=config.train.steps_per_call,
        seed=config.seed,
    )

    def epoch(count: int) -> None:
        for _ in range(count):
            steps.run_epoch()

    def single_call(count: int) -> None:
        for _ in range(count):
            steps.run_epoch_in_one_call()

    epoch(1)
    single_call(1)
    tasks = {"epoch": Task(epoch, 1), "single call": Task(single_call, 1)}
    samples = time_alternately(tasks, repeats=options.repeats)
    steps.require_finite()
    share = overhead(samples["epoch"], samples["single call"])
    seconds = {name: spread(values).median for name, values in samples.items()}
    print(
        f"CNN, {options.preset}: an epoch of {steps.steps_per_epoch} steps, "
        f"{config.train.steps_per_call} per call, takes {seconds['epoch']:.3f} s; all its steps "
        f"in a single call {seconds['single call']:.3f} s (medians of {options.repeats})\n"
        f"outside of the compiled steps: {share.median:.2%} "
        f"(middle half of the rounds {share.lower:.2%} to {share.upper:.2%})"
    )
    result = {
        "benchmark": "epoch_overhead",
        "machine": machine,
        "preset": options.preset,
        "steps": steps.steps_per_epoch,
        "steps_per_call": config.train.steps_per_call,
        "seconds": samples,
        "overhead": share.median,
        "overhead_quartiles": [share.lower, share.upper],
    }
    write_result(options.json, result)


def overhead(epoch: Sequence[float], single_call: Sequence[float]) -> Spread:
    """Returns 1 - single call / epoch over the rounds; noise can make it negative.

    Args:
        epoch: seconds of an epoch as a run has it.
        single_call: seconds of its steps in one call, in the same rounds.
    """
    return spread([1 - ratio for ratio in pairwise_ratios(single_call, epoch)])


if __name__ == "__main__":
    run(main)
