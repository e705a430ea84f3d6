"""From a folder of JPEGs to cached arrays, against Pillow's decoding and resizing alone.

python -m benchmarks.prepare --data_dir=DIR
python -m benchmarks.prepare --data_dir=DIR --rounds=5 --json=prepare.json

Pillow decodes the same 12,444 files, resizes them to 300 and to 50 pixels with the same filter and
makes them gray, on all cores, once with threads and once with processes; the files' bytes are in
memory before its clock starts, and the pixels are thrown away. Ours is what
`launch.py --mode=prepare --config=configs/cnn.py:official` does with an empty cache: it checks
every file against the published set, writes the records (71 more files, TEST_SIMPLE), reads them
back for their digests, pre-processes both splits and writes the arrays. Its clock starts before
TFDS is imported; the time of its whole process is told as well, and that of doing all again with
the cache as it then is. All take turns, each in a process of its own. The ratio is to the faster
of Pillow's two in the same round.
"""

import io
import json
import multiprocessing
import os
import resource
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.command_line import add_data_dir, add_outputs, at_least, create_parser, run, say
from benchmarks.machine import describe_machine, load_before, peak_mebibytes
from benchmarks.processes import start
from benchmarks.timing import Spread, pairwise_ratios, spread
from wbc_jax.cores import num_cores
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.text_table import text_table

POOLS = ("threads", "processes")
STAGES = {
    "records": "ours, records",
    "arrays": "ours, arrays",
    "total": "ours, both",
    "cached": "ours, cached",  # all of it again, from the cache
}
_AT_ONCE = 64  # images that a worker of Pillow's is given
_SIZES = (300, 50)
Sample = dict[str, Any]

_encoded: Sequence[bytes] = ()  # in Pillow's worker processes


def main(arguments: Sequence[str]) -> None:
    """Measures in turn and prints the table; as one contestant's process, prints its sample.

    Raises:
        UserError: the images are not there, or not as published.
    """
    options = _parse(arguments)
    if options.contestant:
        print(json.dumps(_contestant(options.contestant, options.data_dir)))
        return
    load = load_before()
    samples = measure(options)
    print(prepare_table(samples))
    from benchmarks.outputs import write_result

    result = {
        "benchmark": "prepare",
        "machine": describe_machine(load),
        "pillow": Image.__version__,
        "ratio": "median over the rounds of ours over the faster of Pillow's in the same round",
        "ratios": {name: ratio_to_pillow(samples, name)._asdict() for name in samples},
        "samples": samples,
    }
    write_result(options.json, result)


def measure(options: Namespace) -> dict[str, list[Sample]]:
    """Returns the samples of Pillow's two and of our stages, in the order they were taken."""
    samples: dict[str, list[Sample]] = {}
    for _ in range(options.rounds):
        for pool in POOLS:
            sample = _sample(pool, options.data_dir)
            samples.setdefault(f"Pillow, {pool}", []).append(sample)
            say(f"Pillow, {pool}: {sample['seconds']:.1f} s")
        ours = _sample("ours", options.data_dir)
        for stage, name in STAGES.items():
            samples.setdefault(name, []).append(ours[stage])
        say(f"ours: {ours['total']['seconds']:.1f} s, process {ours['process_seconds']:.1f} s")
        process = {**ours["total"], "seconds": ours["process_seconds"]}
        samples.setdefault("ours, process", []).append(process)
    return samples


def ratio_to_pillow(samples: dict[str, list[Sample]], name: str) -> Spread:
    """Returns the time of `name` over that of the faster of Pillow's in the same round."""
    pillows = [_values(samples[f"Pillow, {pool}"], "seconds") for pool in POOLS]
    fastest = [min(of_round) for of_round in zip(*pillows, strict=True)]
    return spread(pairwise_ratios(_values(samples[name], "seconds"), fastest))


def prepare_table(samples: dict[str, list[Sample]]) -> str:
    """Returns medians as text."""
    rows = []
    for name, of_name in samples.items():
        ratio = ratio_to_pillow(samples, name)
        medians = {
            field: spread(_values(of_name, field)).median
            for field in ("seconds", "cores", "other_cores", "peak_mebibytes")
        }
        rows.append(
            [
                name,
                f"{medians['seconds']:.2f}",
                f"{ratio.median:.2f}",
                f"{ratio.lower:.2f} to {ratio.upper:.2f}",
                f"{medians['cores']:.2f}",
                f"{medians['other_cores']:.2f}",
                f"{medians['peak_mebibytes']:,.0f}",
            ]
        )
    header = ["", "median\ns", "over\nPillow", "middle half\n", "cores\nused"]
    return text_table([*header, "by\nothers", "peak\nMiB"], rows)


def decode_and_resize(encoded: bytes) -> Image.Image:
    """Does with Pillow alone what `preprocess` does for the configs' settings."""
    image: Image.Image = Image.open(io.BytesIO(encoded))
    for side in _SIZES:
        image = image.resize((side, side), Image.Resampling.BICUBIC)
    return image.convert("L")


def measure_pillow(encoded: Sequence[bytes], pool: str) -> Sample:
    """Returns what Pillow takes on all cores, the start of the pool included.

    Args:
        encoded: JPEG files, three channels each.
        pool: one of `POOLS`.
    """
    cores = num_cores()
    starts = range(0, len(encoded), _AT_ONCE)
    clock = _Clock()
    if pool == "threads":
        _hold(encoded)
        with ThreadPoolExecutor(cores) as threads:
            count = sum(threads.map(_decode_from, starts))
    else:
        # Forking hands over the files for nothing; this process has neither threads nor JAX.
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(cores, context, _hold, (encoded,)) as processes:
            count = sum(processes.map(_decode_from, starts))
    return {"images": count, **clock.read(processes=cores if pool == "processes" else 0)}


def measure_ours(preset: str, data_dir: Path | None, cache_dir: Path) -> Sample:
    """Returns what our stages take, each and together, and what reading the cache takes.

    Args:
        preset: of configs/cnn.py.
        data_dir: where its images are.
        cache_dir: empty.
    """
    clock = _Clock()
    from configs.cnn import get_config
    from wbc_jax.data.protocols import get_protocol
    from wbc_jax.datasets.prepare import prepare
    from wbc_jax.training.prepare_data import prepare_data

    config = get_config(preset)
    dataset = get_protocol(config.data.protocol).dataset
    prepare(dataset, Places(data_dir, cache_dir))
    records = clock.read()
    arrays_clock = _Clock()
    data = prepare_data(config, Places(data_dir, cache_dir))
    arrays, total = arrays_clock.read(), clock.read()
    cached_clock = _Clock()
    prepare_data(config, Places(data_dir, cache_dir))
    cached = cached_clock.read()
    counts = [data.prepared.splits[split].num_examples for split in data.protocol.splits]
    stages = {"records": records, "arrays": arrays, "total": total, "cached": cached}
    return {"images": sum(counts), **stages}


class _Clock:
    """Wall time, processor time of this process and its children, and of all others."""

    def __init__(self) -> None:
        self._start = (time.perf_counter(), _own_seconds(), _machine_seconds())

    def read(self, *, processes: int = 0) -> Sample:
        """Returns what has passed; the peak counts `processes` children as large as the largest."""
        wall, own, machine = (
            now - then
            for now, then in zip(
                (time.perf_counter(), _own_seconds(), _machine_seconds()), self._start, strict=True
            )
        )
        children = peak_mebibytes(resource.RUSAGE_CHILDREN)
        return {
            "seconds": wall,
            "cores": own / wall,
            "other_cores": max(0.0, machine - own) / wall,
            "peak_mebibytes": peak_mebibytes() + processes * children,
        }


def _own_seconds() -> float:
    return sum(os.times()[:4])


def _machine_seconds() -> float:
    """Returns the processor time spent so far by all processes; 0 where Linux does not tell."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq, *_ = map(int, first.split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _hold(encoded: Sequence[bytes]) -> None:
    global _encoded
    _encoded = encoded


def _decode_from(start: int) -> int:
    return len([decode_and_resize(one) for one in _encoded[start : start + _AT_ONCE]])


def _values(samples: Sequence[Sample], field: str) -> list[float]:
    return [sample[field] for sample in samples]


def _contestant(name: str, data_dir: Path) -> Sample:
    if name == "ours":
        with tempfile.TemporaryDirectory(prefix="wbc-prepare-") as cache_dir:
            return measure_ours("official", data_dir, Path(cache_dir))
    from wbc_jax.datasets.blood_cells.source import find

    tree = find(data_dir)
    if tree is None:
        raise UserError(f"blood_cells: no such set in data_dir={data_dir}; see README.md")
    paths = [path for path in tree.files() if path.startswith(("TRAIN/", "TEST/"))]
    return measure_pillow([tree.read(path) for path in paths], name)


def _sample(contestant: str, data_dir: Path) -> Sample:
    flags = [f"--contestant={contestant}", f"--data_dir={data_dir}"]
    seconds, said = start(["-m", "benchmarks.prepare", *flags])
    return {**json.loads(said), "process_seconds": seconds}


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = create_parser("prepare", __doc__)
    add_data_dir(parser)
    parser.add_argument("--rounds", type=at_least(1), default=3, help="Default: 3.")
    parser.add_argument(
        "--contestant", choices=[*POOLS, "ours"], help="Measure this one only, in this process."
    )
    add_outputs(parser, plot=False)
    options = parser.parse_args(arguments)
    options.data_dir = options.data_dir.resolve()  # the processes start elsewhere
    return options


if __name__ == "__main__":
    run(main)
