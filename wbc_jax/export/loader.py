"""Loads an exported classifier of white blood cells. Needs jax, and flatbuffers, which it reads by.

    classifier = load(".")                   # the folder in which this file lies
    answers = classifier(images)             # uint8 [b, rows, columns, 3], RGB
    answers["calibrated"]                    # [b, classes], in the order of classifier.classes

    python load_classifier.py [FOLDER]       # checks the files, and the answers on this machine

Research use only, not for diagnosis.
"""

import hashlib
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

# Version 2 gives the logits, too, and check.npz holds the run's own.
FORMAT, FORMAT_VERSION = "wbc_jax export", 2
# Largest difference of a logit from the run's own, as a share of the largest: eight runs of four
# networks stay below 3e-6, and none with weights rounded to TF32 below 1.8e-4. Probabilities cannot
# tell: where a network is sure of itself, they hardly move whatever happens to the logits.
TOLERANCE = 2e-5
# Of a probability: more is no rounding but another softmax or another temperature.
MOST_APART = 1e-3
FACTS, PROGRAM, WEIGHTS, CHECK = "export.json", "classifier.jax", "weights.npz", "check.npz"
DIGESTS = "SHA256SUMS"  # `sha256sum --check SHA256SUMS` reads it, too


class ExportError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class Agreement(NamedTuple):
    """How far answers are from the run's own, at the most.

    Attributes:
        logits: difference, as a share of the largest of the run's logits, whatever its sign.
        probabilities: difference of one of them, calibrated or not.
    """

    logits: float
    probabilities: float

    @property
    def holds(self) -> bool:
        """Whether both are within their limits; what is no number is not."""
        return self.logits <= TOLERANCE and self.probabilities <= MOST_APART


class Loaded(NamedTuple):
    """An exported classifier.

    Attributes:
        facts: content of export.json: how an image has to look, what the run was.
        classes: names in the order of the probabilities.
        weights: arrays by name, as the program takes them.
        program: weights and images to answers, compiled for each number of images.
        drawn: content of check.npz: `images`, and the run's own answers to them by name.
    """

    facts: dict[str, Any]
    classes: tuple[str, ...]
    weights: dict[str, jax.Array]
    program: Callable[..., Mapping[str, jax.Array]]
    drawn: Mapping[str, np.ndarray]

    def __call__(self, images: np.ndarray | Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Returns `logits`, `probabilities` as the run gave them, `calibrated`, [b, classes] each.

        Args:
            images: uint8, RGB, of the size in `facts["input"]["shape"]`; at least one.

        Raises:
            ExportError: they are of another type or size.
        """
        _, *shape = self.facts["input"]["shape"]
        try:
            batch = np.asarray(images)
            given = f"{batch.dtype} {list(batch.shape)}"
        except ValueError:
            batch, given = np.empty((2, 0)), "several sizes"
        if batch.dtype != np.uint8 or list(batch.shape[1:]) != shape or not len(batch):
            raise ExportError(
                f"images of {given} were given; this classifier takes "
                f"uint8 [b, {', '.join(map(str, shape))}]: {_remedy(batch, shape)}"
            )
        answers = self.program(self.weights, batch)
        return {name: np.asarray(values) for name, values in answers.items()}


def _remedy(batch: np.ndarray, shape: list[int]) -> str:
    if batch.shape[:1] == (0,):
        return "give one at least"
    if list(batch.shape) == shape:
        return "a single image is given as images[None]"
    if list(batch.shape[1:]) != shape:
        return "export the run with another --input_size, or bring the images to this one"
    return "give their pixels as uint8, 0 to 255"


def load(folder: str | Path) -> Loaded:
    """Reads and checks the files.

    Args:
        folder: as `launch.py --mode=export` has written it.

    Raises:
        ExportError: a file is missing or damaged, or of a format that this loader does not know.
    """
    folder = Path(folder)
    digests = _read_digests(folder)
    # First: the other files of a newer format may have other names.
    facts = _read_facts(folder, digests)
    names = sorted({PROGRAM, WEIGHTS, CHECK} | digests.keys())
    contents = {name: _read_checked(folder, name, digests) for name in names}
    try:
        exported = jax.export.deserialize(bytearray(contents[PROGRAM]))
    except ImportError as error:
        raise ExportError(f"{error}: pip install jax flatbuffers") from error
    except Exception as error:  # of many kinds, depending on what the reading jax does not know
        raise ExportError(
            f"{folder / PROGRAM} was written by jax {facts['jax']} and cannot be read by jax "
            f"{jax.__version__} ({error}); use a jax of that version, or export the run again"
        ) from error
    weights = {name: jax.device_put(a) for name, a in _read_arrays(contents[WEIGHTS]).items()}
    drawn = _read_arrays(contents[CHECK])
    return Loaded(facts, tuple(facts["classes"]), weights, jax.jit(exported.call), drawn)


def check(classifier: Loaded) -> Agreement:
    """Compares the answers to the drawn images with the run's own.

    Raises:
        ExportError: the export is of format 1, which holds no logits.
    """
    if classifier.facts["format_version"] < FORMAT_VERSION:
        raise ExportError(
            f"the export is of format 1, whose {CHECK} holds no logits to compare; run the "
            "load_classifier.py that lies in its folder, or export the run again"
        )
    return compare(classifier, classifier.drawn)


def compare(classifier: Loaded, expected: Mapping[str, np.ndarray]) -> Agreement:
    """Returns how far a classifier's answers are from expected ones.

    Args:
        classifier: of format 2.
        expected: as `Loaded.drawn`.
    """
    answers = classifier(expected["images"])
    apart = {name: np.abs(values - expected[name]).max() for name, values in answers.items()}
    # Logits that are all zero, of a network that has learned nothing, are compared as they are.
    largest = np.abs(expected["logits"]).max() or 1.0
    return Agreement(
        logits=float(apart.pop("logits") / largest),
        probabilities=float(np.max(list(apart.values()))),
    )


def objection(facts: Mapping[str, Any], agreement: Agreement) -> str:
    """Returns what is to be said of answers that do not agree; empty where they do."""
    if agreement.holds:
        return ""
    why = (
        "the run's model.dtype=bfloat16, which kernels round at other places"
        if facts["run"].get("dtype") == "bfloat16"
        else "compare its answers with the run's predictions.npz before you rely on them"
    )
    return (
        f"the logits differ from the run's by up to {agreement.logits:.1e} of the largest, where "
        f"{TOLERANCE:.0e} is rounding, and the probabilities by {agreement.probabilities:.1e}, "
        f"where {MOST_APART:.0e} is: {why}"
    )


def _read_digests(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 by file name."""
    if folder.is_file():
        raise ExportError(f"{folder} is a file; name the folder that it lies in: {folder.parent}")
    try:
        lines = (folder / DIGESTS).read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except FileNotFoundError:
        raise ExportError(
            f"{folder} holds no {DIGESTS}, which is written last: it is no exported classifier, or "
            "an unfinished one; export the run again"
        ) from None
    except (OSError, ValueError) as error:
        raise ExportError(f"{folder / DIGESTS} is damaged ({error}); export again") from error


def _read_facts(folder: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """Returns the content of export.json, of a format that this loader reads."""
    try:
        facts = json.loads(_read_checked(folder, FACTS, digests))
    except ValueError:
        facts = None
    version = facts.get("format_version") if isinstance(facts, dict) else None
    # `type`, for True is an int, too.
    if type(version) is not int or version < 1 or facts.get("format") != FORMAT:
        raise ExportError(f"{folder / FACTS} is not of a {FORMAT}; name the folder of one")
    if version > FORMAT_VERSION:
        raise ExportError(
            f"{folder} is of format {version}, newer than format {FORMAT_VERSION} that this loader "
            "reads; use the load_classifier.py that lies in that folder"
        )
    return dict(facts)


def _read_checked(folder: Path, name: str, digests: Mapping[str, str]) -> bytes:
    """Returns the content of a file, which is what was written."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExportError(
            f"{path} cannot be read ({error.strerror}); copy the whole folder again"
        ) from error
    if hashlib.sha256(content).hexdigest() != digests.get(name):
        raise ExportError(
            f"{path} is not as it was written (its SHA-256 differs); copy the whole folder "
            "again, or export the run again"
        )
    return content


def _read_arrays(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return dict(file)


def main() -> int:
    """Checks a folder; exit code 0 where its answers are the run's."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    try:
        classifier = load(folder)
        agreement = check(classifier)
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"classes: {', '.join(classifier.classes)}")
    print(f"input: uint8 {classifier.facts['input']['shape']}; {classifier.facts['input']['what']}")
    print(f"device: {jax.devices()[0].device_kind}, jax {jax.__version__}")
    print(f"largest difference from the run's logits: {agreement.logits:.1e} of the largest")
    print(f"largest difference from the run's probabilities: {agreement.probabilities:.1e}")
    if not agreement.holds:
        print(f"warning: {objection(classifier.facts, agreement)}", file=sys.stderr)
    return 0 if agreement.holds else 1


if __name__ == "__main__":
    sys.exit(main())
