"""One training of the CNN on noise in a process of its own, for `benchmarks.scaling`.

python -m benchmarks.scaling_point --images=512 --batch_size=32 --image_size=50 --devices=1

Prints one line of JSON: seconds of an epoch as a run reports them, and the largest resident set
of the process, before the first step and in all.
"""

import json
import statistics
from collections.abc import Sequence

from benchmarks.command_line import at_least, create_parser, run
from benchmarks.machine import peak_mebibytes

# A short epoch is timed three times and its median taken.
_SHORT_SECONDS = 3.0


def main(arguments: Sequence[str]) -> None:
    """Measures one point and prints it.

    Raises:
        UserError: the sizes do not fit together.
    """
    parser = create_parser("scaling_point", __doc__)
    parser.add_argument("--images", type=at_least(1), required=True, help="Images of one epoch.")
    parser.add_argument("--batch_size", type=at_least(1), required=True, help="Images per step.")
    parser.add_argument("--image_size", type=at_least(1), required=True, help="Side, pixels.")
    parser.add_argument("--devices", type=at_least(1), required=True, help="CPU devices.")
    options = parser.parse_args(arguments)
    if options.images < options.batch_size:
        parser.error(f"--images={options.images} must be at least --batch_size")

    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", options.devices)
    from benchmarks import ours

    config = ours.load_config(
        "cnn",
        batch_size=options.batch_size,
        image_size=options.image_size,
        num_devices=options.devices,
    )
    steps = ours.build(config, ours.random_examples(config, count=options.images)).compile()
    before = peak_mebibytes()
    steps.run(1)  # whatever only happens once
    seconds = [steps.run_epoch()]
    if seconds[0] < _SHORT_SECONDS:
        seconds += [steps.run_epoch() for _ in range(2)]
    steps.require_finite()
    measured = {
        **vars(options),
        "native_kernels": steps.native_kernels(),
        "steps": steps.steps_per_epoch,
        "seconds": statistics.median(seconds),
        "seconds_of_each": seconds,
        "compile_seconds": steps.compile_seconds,
        "mebibytes_before_training": before,
        "peak_mebibytes": peak_mebibytes(),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    run(main)
