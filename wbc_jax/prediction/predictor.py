"""From one encoded picture to its cells, and from their windows to calibrated probabilities.

predictor = Predictor(classifier, detector)
sight = predictor.look(encoded)                          # decode, detect, cut: for threads
probabilities = predictor.classify(sight.inputs)         # [n, k], one row for each white cell
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from wbc_jax.data.preprocessing import shrink
from wbc_jax.datasets.decoding import UndecodableError, decode
from wbc_jax.evaluation.classifier import Classifier
from wbc_jax.prediction.windows import Box, boxes, own_box
from wbc_jax.seeds.classical import ClassicalDetector
from wbc_jax.seeds.seed_points import KINDS, Detector, Seeds

# Windows go to the network in batches of these sizes, so that two programs serve any number.
_BATCHES = (8, 64)
_WHITE = KINDS.index("WBC")
_CONTRAST = 32  # of 255; in a picture that has less there is nothing to be seen


class Sight(NamedTuple):
    """What was seen in a picture.

    Attributes:
        picture: RGB, upright.
        seeds: its cells, of all kinds. Of a single cell there is one, with a score of NaN.
        boxes: the part of the picture that shows each white cell, in the order of the seeds.
        inputs: the same, as the network gets them.
    """

    picture: Image.Image
    seeds: Seeds
    boxes: list[Box]
    inputs: UInt8[np.ndarray, "n h w c"]


class Predictor:
    """A classifier and the detector that finds cells for it."""

    def __init__(
        self, classifier: Classifier, detector: Detector | None, *, window: int | None = None
    ) -> None:
        """Compiles nothing yet.

        Args:
            classifier: of a finished run.
            detector: of cells; None where every picture shows one white cell.
            window: as in `boxes`.
        """
        self.classifier = classifier
        self._detector = detector
        self._window = window
        self._by_colour = (
            isinstance(detector, ClassicalDetector)
            if detector is not None
            else classifier.settings.view == "white_cell"
        )
        temperature = classifier.temperature or 1.0
        # In one program with the network: on its own it would be compiled for every number.
        self._answer = jax.jit(
            lambda *given: jax.nn.softmax(classifier.logits_of(*given) / temperature)
        )

    def look(self, encoded: bytes) -> Sight:
        """Decodes a picture, finds its cells and cuts a window around every white one.

        Raises:
            UndecodableError: the bytes are no picture that can be used: they are gray, where white
                cells are told by colour, or its windows are too large.
        """
        picture = decode(encoded)
        if self._by_colour and _is_gray(np.asarray(picture)):
            raise UndecodableError(
                "it is gray, but nuclei are told by their colour here: use pictures in colour, or "
                + ("a trained detector" if self._detector else "a run of data.view=whole")
            )
        settings = self.classifier.settings
        if self._detector is None:
            parts = [own_box(picture, settings, self._window)]
            seeds = _single(parts[0])
        else:
            seeds = self._detector(np.asarray(picture))
            white = seeds.kinds == _WHITE
            rows, columns = seeds.rows[white].tolist(), seeds.columns[white].tolist()
            parts = boxes(picture, list(zip(rows, columns, strict=True)), settings, self._window)
        side, channels = settings.image_size, settings.channels
        inputs = np.empty((len(parts), side, side, channels), np.uint8)
        for place, box in zip(inputs, parts, strict=True):
            place[...] = shrink(picture.crop(box), settings)
        return Sight(picture, seeds, parts, inputs)

    def classify(self, inputs: UInt8[np.ndarray, "n h w c"]) -> Float32[np.ndarray, "n k"]:
        """Returns the calibrated probabilities; uncalibrated ones where the run has no temperature.

        Args:
            inputs: any number of windows, as the network gets them; none is fine.
        """
        answers = [np.zeros((0, len(self.classifier.classes)), np.float32)]
        for start in range(0, len(inputs), _BATCHES[-1]):
            some = inputs[start : start + _BATCHES[-1]]
            size = next(size for size in _BATCHES if len(some) <= size)
            padding = np.repeat(some[:1], size - len(some), axis=0)
            batch = np.concatenate([some, padding])
            answers.append(np.asarray(self._answer(self.classifier.variables, batch))[: len(some)])
        return np.concatenate(answers)

    def is_certain(self, probabilities: Float32[np.ndarray, "n k"]) -> Bool[np.ndarray, " n"]:
        """Returns which answers the run's validation says may be given; all, where it had none."""
        choice = self.classifier.selective
        if choice is None:
            return np.ones(len(probabilities), bool)
        if choice["threshold"] is None:
            return np.zeros(len(probabilities), bool)
        return probabilities.max(axis=1, initial=0.0) >= choice["threshold"]


def _is_gray(pixels: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether there is something to be seen, and no colour in it."""
    some = pixels[::16, ::16]  # which tell most pictures in colour at once
    return bool(
        (some == some[..., :1]).all()
        and np.ptp(pixels) >= _CONTRAST
        and (pixels == pixels[..., :1]).all()
    )


def _single(box: Box) -> Seeds:
    row, column = box.center
    return Seeds(
        np.array([row], np.float32),
        np.array([column], np.float32),
        np.array([_WHITE], np.int32),
        np.array([np.nan], np.float32),
    )
