"""Every form a layer can take on the CPU, timed in turn: the figures beside the choices.

python -m benchmarks.layers                     # what wbc_jax/nn/lowering.py decides by
python -m benchmarks.layers --repeats=20 --json=layers.json

Each form is timed outside of loops, where XLA's own are at their best, in all three directions.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.command_line import add_outputs, at_least, create_parser, run
from benchmarks.machine import describe_machine, load_before
from benchmarks.outputs import write_result
from benchmarks.timing import Task, spread, time_alternately, units_for, warm_up
from wbc_jax.errors import UserError
from wbc_jax.nn.lowering import lower_conv
from wbc_jax.nn.native import library
from wbc_jax.nn.native.convolution import conv_native
from wbc_jax.text_table import text_table

BATCH_SIZE = 32
# Side of the map, channels, features, side of the kernel, stride.
SHAPES = [
    (50, 3, 32, 3, 1),
    (25, 32, 64, 3, 1),
    (13, 64, 128, 3, 1),
    (25, 32, 96, 5, 1),
    (50, 64, 64, 3, 1),
    (12, 256, 256, 3, 1),
    (6, 512, 512, 3, 1),
    (4, 256, 256, 3, 1),
    (3, 512, 512, 3, 1),
    (2, 512, 512, 3, 1),
    (13, 64, 256, 1, 1),
    (4, 1024, 256, 1, 1),
    (13, 128, 128, 3, 2),
]
_SAMPLE_SECONDS = 0.05
_DIRECTIONS = ("forward", "image", "kernel")
# Name of the form: Winograd's pairs (0: the direct sum) and bfloat16 operands.
_NATIVE_FORMS = {
    "direct": (0, False),
    "tiles of 6": (2, False),
    "tiles of 8": (3, False),
    "direct, bfloat16": (0, True),
    "tiles of 6, bfloat16": (2, True),
}


def _forms(channels: int, features: int, size: int, stride: int, pads: Any) -> dict[str, Callable]:
    """Returns each form that serves a shape, as a function of image and kernel."""
    strides = (stride, stride)
    forms: dict[str, Callable] = {
        "XLA": lambda image, kernel: lax.conv_general_dilated(
            image, kernel, strides, pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    }
    tiles = stride == 1 and size in (3, 5) and not channels % 16 and not features % 16
    for name, (pairs, half) in _NATIVE_FORMS.items():
        if (pairs and not tiles) or (half and not library.has_half()):
            continue
        padded = channels <= 8 and pairs == 0
        forms[name] = partial(_native, strides, pads, pairs, padded, half)
    return forms


def _native(
    strides: Any, pads: Any, pairs: int, padded: bool, half: bool, image: Any, kernel: Any
) -> Any:
    return conv_native(image, kernel, jnp.zeros((0,)), strides, pads, pairs, padded, half)


def _tasks(form: Callable, image: Any, kernel: Any, gradient: Any) -> dict[str, Task]:
    """Returns the three directions of one form as tasks."""

    def backward(image: Any, kernel: Any, gradient: Any) -> Any:
        return jax.vjp(form, image, kernel)[1](gradient)

    functions = {
        "forward": jax.jit(form).lower(image, kernel).compile(),
        "image": jax.jit(lambda *a: backward(*a)[0]).lower(image, kernel, gradient).compile(),
        "kernel": jax.jit(lambda *a: backward(*a)[1]).lower(image, kernel, gradient).compile(),
    }
    tasks = {}
    for direction, function in functions.items():
        arguments = (image, kernel) if direction == "forward" else (image, kernel, gradient)

        def run_units(count: int, function: Any = function, arguments: Any = arguments) -> None:
            for _ in range(count):
                jax.block_until_ready(function(*arguments))

        tasks[direction] = Task(run_units, units_for(warm_up(run_units), _SAMPLE_SECONDS))
    return tasks


def measure(shape: tuple[int, int, int, int, int], repeats: int) -> dict[str, Any]:
    """Times every form of one convolution.

    Args:
        shape: side of the map, channels, features, side of the kernel, stride.
        repeats: samples of each form and direction.

    Returns:
        `shape`, `chosen` (what `lowering` takes) and `ms` by form and direction, medians.
    """
    side, channels, features, size, stride = shape
    keys = jax.random.split(jax.random.key(0), 3)
    image = jax.random.normal(keys[0], (BATCH_SIZE, side, side, channels))
    kernel = jax.random.normal(keys[1], (size, size, channels, features))
    out = -(-side // stride)
    gradient = jax.random.normal(keys[2], (BATCH_SIZE, out, out, features))
    vertical, horizontal = lax.padtype_to_pads((side, side), (size, size), (stride, stride), "SAME")
    pads = (vertical, horizontal)
    tasks = {
        (name, direction): task
        for name, form in _forms(channels, features, size, stride, pads).items()
        for direction, task in _tasks(form, image, kernel, gradient).items()
    }
    named = {f"{name}|{direction}": task for (name, direction), task in tasks.items()}
    samples = time_alternately(named, repeats=repeats)
    ms: dict[str, dict[str, float]] = {}
    for (name, direction), seconds in zip(tasks, samples.values(), strict=True):
        ms.setdefault(name, {})[direction] = spread(seconds).median * 1e3
    lowering = lower_conv(image, kernel, jnp.float32, (stride, stride), pads, (out, out))
    return {"shape": shape, "chosen": lowering._asdict(), "ms": ms}


def main(arguments: Sequence[str]) -> None:
    """Prints a row per shape and form.

    Raises:
        UserError: there are no kernels on this machine.
    """
    parser = create_parser("layers", __doc__)
    parser.add_argument("--repeats", type=at_least(1), default=9, help="Samples of each form.")
    add_outputs(parser, plot=False)
    options = parser.parse_args(arguments)
    if not library.is_available():
        raise UserError("the CPU's kernels are not available here: there is nothing to compare")
    machine = describe_machine(load_before())
    records, rows = [], []
    for shape in SHAPES:
        record = measure(shape, options.repeats)
        records.append(record)
        side, channels, features, size, stride = shape
        title = f"{side}x{side}x{channels} -> {features}, {size}x{size}"
        title += f", stride {stride}" if stride > 1 else ""
        for name, ms in record["ms"].items():
            rows.append([title, name, *(f"{ms[direction]:.2f}" for direction in _DIRECTIONS)])
            title = ""
    print(f"{BATCH_SIZE} images, milliseconds, median of {options.repeats}")
    header = ["convolution", "form", "forward", "gradient\nof the image", "gradient\nof the kernel"]
    print(text_table(header, rows, num_left=2))
    write_result(options.json, {"benchmark": "layers", "machine": machine, "records": records})


if __name__ == "__main__":
    run(main)
