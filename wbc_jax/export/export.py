"""Writes a finished run as one folder that needs nothing but jax.

print(export_run(Path("runs/cnn-official-seed0"), Path("exported"), picture_size=(240, 320)))
"""

import hashlib
import io
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import numpy as np

import wbc_jax
from wbc_jax import run_names
from wbc_jax.atomic_files import replacing, to_json
from wbc_jax.errors import UserError
from wbc_jax.evaluation.classifier import Classifier, load_classifier
from wbc_jax.export import loader
from wbc_jax.export.checking import answers_of_run, draw_images
from wbc_jax.export.program import PLATFORMS, export_program, flat_weights, input_size
from wbc_jax.nn.lowering import portable
from wbc_jax.reporting.output_folder import make_output_folder

LOADER = "load_classifier.py"
_COPIED = (run_names.CONFIG, run_names.DATASET, run_names.MODEL_CARD)
_WHAT = {
    "whole": "RGB, 0 to 255, the whole picture",
    "white_cell": "RGB, 0 to 255, the square window around the white cell's nucleus; its side is "
    "{share} of the picture's height, black beyond the picture's edge",
}
_log = logging.getLogger(__name__)


def export_run(workdir: Path, output: Path, *, picture_size: tuple[int, int]) -> str:
    """Writes program, weights, labels, cards and digests; returns what to tell the user.

    Args:
        workdir: of a finished run.
        output: folder, made where it is missing; its files of the same names are replaced.
        picture_size: rows and columns of the pictures that will be classified.

    Raises:
        UserError: there is no finished run, a size is out of range, or the folder cannot be
            written or holds somebody else's files of the same names.
    """
    classifier = load_classifier(workdir)
    copied = {name: _read_of_run(workdir / name) for name in _COPIED}
    shape = (*input_size(classifier, picture_size), 3)
    make_output_folder(output)
    _require_no_others(output)
    exported = export_program(classifier, picture_size)
    images = draw_images(shape)
    facts = _facts(classifier, shape)
    contents = {
        loader.PROGRAM: bytes(exported.serialize()),
        loader.WEIGHTS: _npz({name: np.asarray(a) for name, a in flat_weights(classifier).items()}),
        loader.CHECK: _npz({"images": images, **answers_of_run(classifier, images)}),
        loader.FACTS: (to_json(facts, indent=2) + "\n").encode(),
        LOADER: resources.files("wbc_jax.export").joinpath("loader.py").read_bytes(),
        **copied,
    }
    _write_together(output, contents)
    loaded = loader.load(output)
    agreement = loader.check(loaded)
    if not agreement.holds:
        _log.warning("%s: %s", output, loader.objection(facts, agreement))
    with portable():
        same = loader.compare(loaded, {"images": images, **answers_of_run(classifier, images)})
    return (
        f"exported: {output}\n"
        f"input: uint8 [b, {', '.join(map(str, shape))}], platforms {', '.join(PLATFORMS)}\n"
        f"largest difference from the run's network, in the same operations: {_say(same)}\n"
        f"from its answers here, by its own kernels: {_say(agreement)}\n"
        f"check it anywhere, with jax alone: python {output / LOADER}\n"
        "Research use only, not for diagnosis."
    )


def _require_no_others(output: Path) -> None:
    """Raises UserError where files of somebody else would be replaced."""
    names = (loader.PROGRAM, loader.WEIGHTS, loader.CHECK, loader.DIGESTS, LOADER, *_COPIED)
    there = [name for name in names if (output / name).exists()]
    if there and not (output / loader.FACTS).is_file():
        raise UserError(
            f"{output / there[0]} is not of an export (no {loader.FACTS}), and would be replaced: "
            "move it, or name another --workdir"
        )


def _write_together(output: Path, contents: Mapping[str, bytes]) -> None:
    """Writes all files and their digests; an export from before stays whole where one fails."""
    digests = {name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(contents)}
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    with ExitStack() as stack:
        # They get their names from the last to the first: the digests say that all is there.
        for name, content in {loader.DIGESTS: lines.encode(), **contents}.items():
            stack.enter_context(replacing(output / name)).write_bytes(content)
        (output / loader.DIGESTS).unlink(missing_ok=True)


def _say(agreement: loader.Agreement) -> str:
    return f"{agreement.logits:.1e} of the largest logit, {agreement.probabilities:.1e} probability"


def _read_of_run(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); write it anew: python launch.py "
            f"--mode=evaluate --workdir={path.parent}"
        ) from error


def _facts(classifier: Classifier, shape: tuple[int, ...]) -> dict[str, Any]:
    settings, results = classifier.settings, classifier.run.results
    return {
        "format": loader.FORMAT,
        "format_version": loader.FORMAT_VERSION,
        "purpose": "Research use only, not for diagnosis.",
        "classes": list(classifier.classes),
        "input": {
            "dtype": "uint8",
            "shape": ["b", *shape],
            "what": _WHAT[settings.view].format(share=settings.window_side),
        },
        "output": {
            "logits": "before the softmax; of a run that averages mirror images, the logarithms of "
            "the mean probabilities",
            "probabilities": "as in the run's predictions.npz",
            "calibrated": "the same with the logits divided by the temperature",
        },
        "temperature": classifier.temperature,
        "confidence_threshold": (classifier.selective or {}).get("threshold"),
        "platforms": list(PLATFORMS),
        "jax": jax.__version__,
        "wbc_jax": wbc_jax.__version__,
        "run": {
            "name": classifier.run.path.name,
            "step": classifier.step,
            **{name: results[name] for name in ("model", "dataset", "protocol", "seed")},
            "dtype": classifier.run.config["model"]["dtype"],
            "is_leaky": classifier.run.is_leaky,
            "warnings": classifier.run.dataset["warnings"],
            "git_commit": classifier.run.environment.get("git_commit"),
        },
    }


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
