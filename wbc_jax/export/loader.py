"""Loads an exported classifier of white blood cells. Needs jax, and flatbuffers, which it reads by.

    classifier = load(".")                   # the folder in which this file lies
    answers = classifier(images)             # uint8 [b, rows, columns, 3], RGB
    answers["calibrated"]                    # [b, classes], in the order of classifier.classes

    python load_classifier.py [FOLDER]       # checks the files, and the answers on this machine

Research use only, not for diagnosis.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

FORMAT, FORMAT_VERSION = "wbc_jax export", 1
TOLERANCE = 1e-6  # largest difference of a probability from the run's own
FACTS, PROGRAM, WEIGHTS, CHECK = "export.json", "classifier.jax", "weights.npz", "check.npz"
DIGESTS = "SHA256SUMS"  # `sha256sum --check SHA256SUMS` reads it, too


class ExportError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class Loaded(NamedTuple):
    """An exported classifier.

    Attributes:
        facts: content of export.json: how an image has to look, what the run was.
        classes: names in the order of the probabilities.
        weights: arrays by name, as the program takes them.
        program: weights and images to answers, compiled for each number of images.
    """

    facts: dict[str, Any]
    classes: tuple[str, ...]
    weights: dict[str, jax.Array]
    program: Callable[..., Mapping[str, jax.Array]]

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns `probabilities`, as the run gave them, and `calibrated`, each [b, classes].

        Args:
            images: uint8, RGB, of the size in `facts["input"]["shape"]`; at least one.

        Raises:
            ExportError: they are of another type or size.
        """
        _, *shape = self.facts["input"]["shape"]
        if images.dtype != np.uint8 or list(images.shape[1:]) != shape or not len(images):
            raise ExportError(
                f"images of {images.dtype} {list(images.shape)} were given; this classifier takes "
                f"uint8 [b, {', '.join(map(str, shape))}]: export the run with another "
                "--input_size, or bring the images to this one"
            )
        answers = self.program(self.weights, images)
        return {name: np.asarray(values) for name, values in answers.items()}


def load(folder: str | Path) -> Loaded:
    """Reads and checks the files.

    Args:
        folder: as `launch.py --mode=export` has written it.

    Raises:
        ExportError: a file is missing or damaged, or of a format that this loader does not know.
    """
    folder = Path(folder)
    contents = _read_checked(folder)
    facts = json.loads(contents[FACTS])
    if facts.get("format") != FORMAT or not isinstance(facts.get("format_version"), int):
        raise ExportError(f"{folder / FACTS} is not of a {FORMAT}; name the folder of one")
    if facts["format_version"] > FORMAT_VERSION:
        raise ExportError(
            f"{folder} is of format {facts['format_version']}, newer than format {FORMAT_VERSION} "
            "that this loader reads; use the load_classifier.py that lies in that folder"
        )
    try:
        exported = jax.export.deserialize(bytearray(contents[PROGRAM]))
    except ImportError as error:
        raise ExportError(f"{error}: pip install jax flatbuffers") from error
    except Exception as error:  # of many kinds, depending on what the reading jax does not know
        raise ExportError(
            f"{folder / PROGRAM} was written by jax {facts['jax']} and cannot be read by jax "
            f"{jax.__version__} ({error}); use a jax of that version, or export the run again"
        ) from error
    with np.load(folder / WEIGHTS, allow_pickle=False) as file:
        weights = {name: jax.device_put(file[name]) for name in file.files}
    return Loaded(facts, tuple(facts["classes"]), weights, jax.jit(exported.call))


def check(folder: str | Path) -> float:
    """Returns the largest difference of a probability from the run's own, on drawn images.

    Raises:
        ExportError: as `load`.
    """
    classifier = load(folder)
    with np.load(Path(folder) / CHECK, allow_pickle=False) as file:
        answers = classifier(file["images"])
        return max(float(np.abs(values - file[name]).max()) for name, values in answers.items())


def _read_checked(folder: Path) -> dict[str, bytes]:
    """Returns the content of the files by name; each is what was written."""
    try:
        lines = (folder / DIGESTS).read_text(encoding="utf-8").splitlines()
        digests = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except FileNotFoundError:
        raise ExportError(
            f"{folder} holds no {DIGESTS}, which is written last: it is no exported classifier, or "
            "an unfinished one; export the run again"
        ) from None
    except (OSError, ValueError) as error:
        raise ExportError(f"{folder / DIGESTS} is damaged ({error}); export again") from error
    contents = {}
    for name in sorted({FACTS, PROGRAM, WEIGHTS, CHECK} | digests.keys()):
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise ExportError(
                f"{folder / name} cannot be read ({error.strerror}); copy the whole folder again"
            ) from error
        if hashlib.sha256(contents[name]).hexdigest() != digests.get(name):
            raise ExportError(
                f"{folder / name} is not as it was written (its SHA-256 differs); copy the whole "
                "folder again, or export the run again"
            )
    return contents


def main() -> int:
    """Checks a folder; exit code 0 where its answers are the run's."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    try:
        classifier, difference = load(folder), check(folder)
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"classes: {', '.join(classifier.classes)}")
    print(f"input: uint8 {classifier.facts['input']['shape']}; {classifier.facts['input']['what']}")
    print(f"device: {jax.devices()[0].device_kind}, jax {jax.__version__}")
    print(f"largest difference from the run's probabilities: {difference:.1e}")
    return 0 if difference <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
