"""Time and memory of training the CNN against what it is given: images, sizes, devices.

python -m benchmarks.scaling --quick
python -m benchmarks.scaling --json=scaling.json --plot=scaling

One factor varies at a time, the others stay at the first point of each series. Each point is a
process of its own, so that its largest resident set is its own; one epoch is timed after a first
step. Always on the CPU: several devices are one processor's cores shared out by JAX, so that
series shows what splitting a batch costs, and no gain is to be expected of it. All of its points
leave the kernels in C aside, which serve a single device only.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.command_line import add_outputs, create_parser, run, say
from benchmarks.machine import describe_machine, load_before
from benchmarks.processes import start
from wbc_jax.text_table import text_table

Point = dict[str, Any]
Series = dict[str, list[Point]]

FACTORS = {
    "images": "images per epoch",
    "batch_size": "images per step",
    "image_size": "image side, pixels",
    "devices": "CPU devices",
}
_BASE = {"images": 512, "batch_size": 32, "image_size": 50, "devices": 1}
_FULL = {
    "images": [512, 4 * 512, 16 * 512],
    "batch_size": [8, 16, 32, 64, 128],
    "image_size": [50, 100, 224],
    "devices": [1, 2, 4, 8],
}
_QUICK_BASE = _BASE | {"images": 128}
_QUICK = {
    "images": [128, 4 * 128],
    "batch_size": [32, 64],
    "image_size": [50, 100],
    "devices": [1, 2],
}


def main(arguments: Sequence[str]) -> None:
    """Measures every point, prints the table, writes what was asked for."""
    parser = create_parser("scaling", __doc__)
    parser.add_argument("--quick", action="store_true", help="Two points per series, 128 images.")
    add_outputs(parser, plot=True)
    options = parser.parse_args(arguments)
    load = load_before()
    series = measure(_QUICK_BASE, _QUICK) if options.quick else measure(_BASE, _FULL)
    print(scaling_table(series))
    # Only now: a child begins with the resident set of its parent, which is to stay small.
    from benchmarks.outputs import write_plot, write_result
    from benchmarks.scaling_plot import scaling_figure

    machine = describe_machine(load)
    write_result(options.json, {"benchmark": "scaling", "machine": machine, "series": series})
    figure = scaling_figure(series, title=f"CNN, {machine['cpu']}, {machine['cores']} cores")
    write_plot(options.plot, figure, alt=scaling_table(series))


def measure(base: Mapping[str, int], values: Mapping[str, Sequence[int]]) -> Series:
    """Returns one series per factor; a point that several series share is measured once.

    Args:
        base: every factor's value while another one varies.
        values: of each factor.
    """
    measured: dict[tuple[Any, ...], Point] = {}
    series: Series = {}
    for factor, sizes in values.items():
        series[factor] = []
        for size in sizes:
            point, native = {**base, factor: size}, factor != "devices"
            key = (*point.values(), native)
            if key not in measured:
                measured[key] = _measure_point(point, native=native)
            series[factor].append(measured[key])
    return series


def scaling_table(series: Series) -> str:
    """Returns all series as text."""
    header = ["factor", "value", "epoch\ns", "image\nms", "peak\nMiB", "before training\nMiB"]
    rows = [
        [
            FACTORS[factor],
            f"{point[factor]:,}",
            f"{point['seconds']:.2f}",
            f"{milliseconds_per_image(point):.3f}",
            f"{point['peak_mebibytes']:,.0f}",
            f"{point['mebibytes_before_training']:,.0f}",
        ]
        for factor, points in series.items()
        for point in points
    ]
    return text_table(header, rows)


def milliseconds_per_image(point: Point) -> float:
    """Returns the epoch's time over the images it trained on; a rest without a batch is none."""
    return 1e3 * point["seconds"] / (point["steps"] * point["batch_size"])


def _measure_point(point: Mapping[str, int], *, native: bool) -> Point:
    flags = [f"--{factor}={value}" for factor, value in point.items()]
    environment = {**os.environ, **({} if native else {"WBC_NATIVE": "0"})}
    _, printed = start(["-m", "benchmarks.scaling_point", *flags], environment)
    measured: Point = json.loads(printed)
    said = " ".join([*flags, *([] if native else ["without kernels in C"])])
    say(f"{said}: {measured['seconds']:.2f} s, {measured['peak_mebibytes']:,.0f} MiB")
    return measured


if __name__ == "__main__":
    run(main)
