"""Our training step and prediction against PyTorch's, timed in turn in one run.

python -m benchmarks.train_step
python -m benchmarks.train_step --models=cnn --batch_sizes=32 --json=step.json --plot=step

Ours is the product's compiled step on random uint8 images: it gathers the batch, augments and
standardises it, trains, and sums the metrics. PyTorch's is a twin of the same network, channels
last, with its fused optimizer and its fastest number of threads, on one batch of floats that is
already standardised. That difference favours PyTorch. One sample is several steps of at least
0.3 s together; each round takes one sample of everything. Beside it a large matrix product is
timed in both frameworks: the faster one is the peak. The share of it counts the operations of
the direct sums, so that a fast algorithm such as Winograd's can pass 1.
"""

import importlib.util
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from benchmarks.command_line import (
    add_outputs,
    at_least,
    create_parser,
    numbers,
    run,
    some_of,
)
from wbc_jax.errors import UserError

_MODELS = ("cnn", "alexnet", "resnet50", "vgg19")
_MODES = ("eager", "compile")
_DTYPES = ("float32", "bfloat16")
_LEAST_MATMUL_SECONDS = 0.1


def main(arguments: Sequence[str]) -> None:
    """Measures and prints what the arguments ask for.

    Raises:
        UserError: PyTorch or a GPU is asked for and not there.
    """
    options = _parse(arguments)
    if importlib.util.find_spec("torch") is None:
        raise UserError('PyTorch is not installed; pip install -e ".[bench]" brings it')
    # Only now: what follows imports JAX and PyTorch, which --help does not need.
    from benchmarks import step_records
    from benchmarks.device import choose_device
    from benchmarks.machine import describe_machine, load_before
    from benchmarks.matmul import SIZES, torch_matmul, xla_matmul
    from benchmarks.outputs import write_plot, write_result
    from benchmarks.step_case import Settings, measure_case
    from benchmarks.step_plot import alt_text, step_figure
    from benchmarks.timing import Task, units_for, warm_up

    device = choose_device(options.device)
    dtype = options.dtype or ("bfloat16" if device == "gpu" else "float32")
    machine = describe_machine(load_before())
    size = SIZES[device]
    multiply = {
        "matmul jax": xla_matmul(size, dtype),
        "matmul torch": torch_matmul(size, dtype, device),
    }
    matmuls = {
        name: Task(run, units_for(warm_up(run), _LEAST_MATMUL_SECONDS))
        for name, run in multiply.items()
    }
    settings = Settings(
        device=device,
        dtype=dtype,
        repeats=options.repeats,
        torch_modes=options.torch or (_MODES if device == "gpu" else _MODES[:1]),
        matmuls=matmuls,
    )
    cases = [
        measure_case(model, batch_size, settings)
        for model in options.models
        for batch_size in options.batch_sizes
    ]
    peaks = step_records.matmul_peak([case.samples for case in cases], size=size)
    library = max(peaks, key=peaks.__getitem__)
    records = [
        step_records.make_record(case, dtype=dtype, device=device, peak_gflops=peaks[library])
        for case in cases
    ]
    where = f"{machine['cpu']}, {machine['cores']} cores" if device == "cpu" else _gpu(machine)
    title = f"{where}, {dtype}"
    print(
        f"{title}; largest of both frameworks' {size}x{size} matrix products: "
        f"{peaks[library]:,.0f} GFLOP/s ({library})\n"
    )
    print(f"{step_records.training_table(records)}\n")
    print(f"{step_records.prediction_table(records)}\n")
    print(f"ratio: {step_records.RATIO}")
    result = {
        "benchmark": "train_step",
        "machine": machine,
        "ratio": step_records.RATIO,
        "matmul_size": size,
        "matmul_peak_gflops": peaks[library],
        "matmul_gflops": peaks,
        "records": records,
    }
    write_result(options.json, result)
    write_plot(options.plot, step_figure(records, title=title), alt=alt_text(records))


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = create_parser("train_step", __doc__)
    parser.add_argument(
        "--models", type=some_of(_MODELS), default=list(_MODELS), help=f"Of {','.join(_MODELS)}."
    )
    parser.add_argument(
        "--batch_sizes", type=numbers, default=[32, 128], help="Images per step. Default: 32,128."
    )
    parser.add_argument(
        "--dtype", choices=_DTYPES, help="Default: float32 on the CPU, bfloat16 on a GPU."
    )
    parser.add_argument(
        "--repeats",
        type=at_least(1),
        default=7,
        help="Rounds; slow networks take fewer, at least 3. Default: 7.",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "gpu"), default="auto", help="Default: a GPU if any."
    )
    parser.add_argument(
        "--torch",
        type=some_of(_MODES),
        help="Modes of PyTorch; the faster one is compared. Default: eager, on a GPU both.",
    )
    add_outputs(parser, plot=True)
    return parser.parse_args(arguments)


def _gpu(machine: dict[str, Any]) -> str:
    return str(machine["devices"][0])


if __name__ == "__main__":
    run(main)
