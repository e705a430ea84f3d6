"""From samples to the figures that are shown: medians, ratios, rates, shares of the peak.

peak = matmul_peak(cases, size=2048)
records = [make_record(case, dtype="float32", device="cpu", peak_gflops=peak) for case in cases]
print(training_table(records)); print(prediction_table(records))
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.matmul import matmul_gflops
from benchmarks.operations import share_of_peak
from benchmarks.timing import pairwise_ratios, spread
from wbc_jax.text_table import text_table

RATIO = "median over the rounds of PyTorch's time over ours in the same round; above 1: ours faster"
Record = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What was measured.

    Attributes:
        model: the network's name.
        batch_size: images per step and per batch of the prediction.
        num_params: learned numbers, of both.
        native_kernels: C functions that our training step calls.
        train_multiply_adds: of one image's training step, by the direct sums.
        predict_multiply_adds: of one image's prediction.
        num_threads: PyTorch's fastest, by the name of the task.
        counts: units in one sample, by the name of the task.
        samples: seconds per unit (step, batch, product) of each round, by the name of the task:
            "ours train", "ours predict", "torch MODE train", "torch MODE predict" and
            "matmul LIBRARY".
    """

    model: str
    batch_size: int
    num_params: int
    native_kernels: list[str]
    train_multiply_adds: int
    predict_multiply_adds: int
    num_threads: dict[str, int]
    counts: dict[str, int]
    samples: dict[str, list[float]]


def matmul_peak(samples: Sequence[Mapping[str, Sequence[float]]], *, size: int) -> dict[str, float]:
    """Returns the median rate of each framework's matrix product over all rounds, 10^9/s.

    Args:
        samples: of each case; keys beginning with "matmul" count.
        size: rows and columns of the matrices.
    """
    names = [name for name in samples[0] if name.startswith("matmul ")]
    return {
        name.removeprefix("matmul "): matmul_gflops(
            size, statistics.median(seconds for case in samples for seconds in case[name])
        )
        for name in names
    }


def make_record(case: Case, *, dtype: str, device: str, peak_gflops: float) -> Record:
    """Returns the figures of one network at one batch size.

    Where PyTorch ran in several modes, its fastest by the median is the one compared; the others'
    medians are kept beside it.

    Args:
        case: what was measured.
        dtype: of the computation.
        device: "cpu" or "gpu".
        peak_gflops: 10^9 operations per second that count as 1.
    """
    record: Record = {
        "model": case.model,
        "batch_size": case.batch_size,
        "dtype": dtype,
        "device": device,
        "num_params": case.num_params,
        "native_kernels": case.native_kernels,
        "repeats": len(case.samples["ours train"]),
    }
    for kind, prefix, multiply_adds in (
        ("train", "", case.train_multiply_adds),
        ("predict", "predict_", case.predict_multiply_adds),
    ):
        figures = _compare(case, kind, multiply_adds * case.batch_size, peak_gflops)
        record |= {f"{prefix}{name}": value for name, value in figures.items()}
    return record


def training_table(records: Sequence[Record]) -> str:
    """Returns the training steps as text."""
    return "training step\n" + _table(records, "", "ms/step")


def prediction_table(records: Sequence[Record]) -> str:
    """Returns the predictions as text."""
    return "prediction\n" + _table(records, "predict_", "ms/batch")


def _compare(case: Case, kind: str, multiply_adds: int, peak_gflops: float) -> Record:
    ours_name = f"ours {kind}"
    theirs = [name for name in case.samples if name.startswith("torch") and name.endswith(kind)]
    medians = {name: statistics.median(case.samples[name]) for name in (ours_name, *theirs)}
    fastest = min(theirs, key=medians.__getitem__)
    ratio = spread(pairwise_ratios(case.samples[fastest], case.samples[ours_name]))
    figures: Record = {
        "ratio": ratio.median,
        "ratio_quartiles": [ratio.lower, ratio.upper],
        "units_per_sample": case.counts[ours_name],
        "multiply_adds": multiply_adds,
        "torch_mode": _mode(fastest),
        "torch_num_threads": case.num_threads.get(fastest),
        "torch_ms_by_mode": {_mode(name): 1e3 * medians[name] for name in theirs},
    }
    for side, name in (("ours", ours_name), ("torch", fastest)):
        seconds = spread(case.samples[name])
        figures |= {
            f"{side}_ms": 1e3 * seconds.median,
            f"{side}_ms_quartiles": [1e3 * seconds.lower, 1e3 * seconds.upper],
            f"{side}_images_per_second": case.batch_size / seconds.median,
            f"{side}_share_of_peak": share_of_peak(multiply_adds, seconds.median, peak_gflops),
        }
    return figures


def _mode(name: str) -> str:
    """Returns what "torch MODE KIND" says in the middle."""
    return name.split()[1]


def _table(records: Sequence[Record], prefix: str, unit: str) -> str:
    header = [
        "model",
        "batch",
        "parameters",
        f"ours\n{unit}",
        f"torch\n{unit}",
        "torch/ours\nmedian",
        "middle half\nof rounds",
        "ours\nimages/s",
        "torch\nimages/s",
        "ours\nof peak",
        "torch\nof peak",
    ]

    def cells(record: Record) -> list[str]:
        figures = {name: record[f"{prefix}{name}"] for name in _SHOWN}
        low, high = figures["ratio_quartiles"]
        return [
            record["model"],
            f"{record['batch_size']}",
            f"{record['num_params']:,}",
            f"{figures['ours_ms']:,.1f}",
            f"{figures['torch_ms']:,.1f}",
            f"{figures['ratio']:.2f}",
            f"{low:.2f} to {high:.2f}",
            f"{figures['ours_images_per_second']:,.0f}",
            f"{figures['torch_images_per_second']:,.0f}",
            f"{figures['ours_share_of_peak']:.2f}",
            f"{figures['torch_share_of_peak']:.2f}",
        ]

    return text_table(header, [cells(record) for record in records])


_SHOWN = (
    "ours_ms",
    "torch_ms",
    "ratio",
    "ratio_quartiles",
    "ours_images_per_second",
    "torch_images_per_second",
    "ours_share_of_peak",
    "torch_share_of_peak",
)
