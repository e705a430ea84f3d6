"""How many copies of one smear does the audit by content find, and how many strangers does it join?

python -m benchmarks.audit_recall --data_dir=DIR --num_images=600
python -m benchmarks.audit_recall --data_dir=DIR --official --json=recall.json

Copies of the blood cell images are divided as someone might divide them who knows nothing of
smears, and compared by content alone. The truth is wbc_jax's table of sources: two copies belong
together that show one smear, or one place of the slide. Without --official, so many images of TEST
are drawn by seed and cut into halves; with it, all of TRAIN is compared with all of TEST, where
the six places shown in both are all there is to find.
"""

import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.command_line import add_data_dir, add_outputs, at_least, create_parser, run, say
from benchmarks.machine import describe_machine, load_before
from wbc_jax.datasets.blood_cells.sources import scene_of
from wbc_jax.errors import UserError
from wbc_jax.leakage.audit import compare_parts
from wbc_jax.leakage.fingerprints import Fingerprint, take_fingerprints
from wbc_jax.leakage.picture_parts import Picture
from wbc_jax.leakage.recovery import find_copies
from wbc_jax.reporting.audit_findings import Pair
from wbc_jax.text_table import text_table


def main(arguments: Sequence[str]) -> None:
    """Measures and prints the table.

    Raises:
        UserError: the images are not there, or fewer than were asked for.
    """
    options = _parse(arguments)
    load = load_before()
    tree = find_copies(options.data_dir)

    def read(picture: Picture) -> bytes:
        return tree.read(picture.file)

    parts = _divide(sorted(tree.files()), options)
    start = time.perf_counter()
    fingerprints: defaultdict[str, list[Fingerprint]] = defaultdict(list)
    pictures = [Picture(part, file) for part, files in parts.items() for file in files]
    for one in take_fingerprints(pictures, read)[0]:
        fingerprints[one.picture.part].append(one)
    reading = time.perf_counter() - start
    pairs = compare_parts(fingerprints, read)
    figures: dict[str, Any] = {
        **measure(parts, pairs),
        "reading, s": round(reading, 1),
        "comparing, s": round(time.perf_counter() - start - reading, 1),
    }
    division = " : ".join(f"{len(files)} {part}" for part, files in parts.items())
    print(text_table(["audit by content", division], [[k, str(v)] for k, v in figures.items()]))
    if options.json:
        from benchmarks.outputs import write_result

        result = {"benchmark": "audit_recall", "machine": describe_machine(load), **figures}
        write_result(options.json, {**result, "division": division, "seed": options.seed})


def measure(parts: dict[str, list[str]], pairs: Sequence[Pair]) -> dict[str, int]:
    """Returns how much there was to find, how much of it was found, and what was found wrongly.

    Args:
        parts: name -> paths of two parts.
        pairs: what the audit found.
    """
    scenes = {part: {file: scene_of(file) for file in files} for part, files in parts.items()}
    shared = set.intersection(*(set(of_part.values()) for of_part in scenes.values()))
    right = [pair for pair in pairs if scene_of(pair.file_a) == scene_of(pair.file_b)]
    found = {end for pair in right for end in pair.ends}
    return {
        "places on two sides": len(shared),
        "of them found": len({scene_of(pair.file_a) for pair in right}),
        "images with a twin": sum(
            scene in shared for of_part in scenes.values() for scene in of_part.values()
        ),
        "of them found in a pair": len(found),
        "pairs found": len(pairs),
        "pairs of strangers": len(pairs) - len(right),
    }


def _divide(files: Sequence[str], options: Namespace) -> dict[str, list[str]]:
    by_split = {
        split: [file for file in files if file.startswith(f"{split}/")]
        for split in ("TRAIN", "TEST")
    }
    if options.official:
        return by_split
    test = by_split["TEST"]
    if options.num_images > len(test):
        raise UserError(
            f"num_images={options.num_images} must be at most the {len(test)} images of TEST"
        )
    drawn = np.random.default_rng(options.seed).permutation(len(test))[: options.num_images]
    say(f"{options.num_images} of the {len(test)} images of TEST, seed {options.seed}")
    half = options.num_images // 2
    return {
        name: [test[place] for place in places]
        for name, places in (("first half", drawn[:half]), ("second half", drawn[half:]))
    }


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = create_parser("audit_recall", __doc__)
    add_data_dir(parser)
    parser.add_argument("--num_images", type=at_least(2), default=600, help="Of TEST.")
    parser.add_argument("--seed", type=int, default=0, help="Of the draw.")
    parser.add_argument("--official", action="store_true", help="Compare TRAIN with TEST.")
    add_outputs(parser, plot=False)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(main)
