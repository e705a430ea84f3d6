"""Drawn images and a run's own answers to them, by which an exported folder checks itself.

images = draw_images((240, 320, 3))
answers_of_run(classifier, images)["logits"]         # [b, k], by the run's own kernels
"""

import jax
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from wbc_jax.data.preprocessing import shrink
from wbc_jax.evaluation.classifier import Classifier
from wbc_jax.evaluation.results import softmax

_MOST_IMAGES = 8
_MOST_BYTES = 8 << 20  # of the images together; eight of 240x320 have 1.8 MB


def draw_images(shape: tuple[int, int, int]) -> UInt8[np.ndarray, "b h w 3"]:
    """Draws coloured clouds with grain: smooth and sharp, dark and bright.

    Args:
        shape: of one: rows, columns, 3.

    Returns:
        Eight images, of large ones as many as fit 8 MB, and at least one; the same every time.
    """
    random = np.random.default_rng(0)
    rows, columns, channels = shape
    images = []
    for _ in range(min(_MOST_IMAGES, max(1, _MOST_BYTES // (rows * columns * channels)))):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        clouds = np.asarray(coarse.resize((columns, rows), Image.Resampling.BICUBIC), np.int16)
        grain = random.integers(-20, 21, (rows, columns, 3))
        images.append(np.clip(clouds + grain, 0, 255).astype(np.uint8))
    return np.stack(images)


def answers_of_run(
    classifier: Classifier, images: UInt8[np.ndarray, "b h w 3"]
) -> dict[str, Float32[np.ndarray, "b k"]]:
    """Returns what the program is to give, by the run's own pre-processing and its network.

    That has its own kernels or, within `portable()`, the operations of the program.
    """
    arrays = np.stack([shrink(Image.fromarray(image), classifier.settings) for image in images])
    # A new function: of one that it knows, JAX keeps the program with the operations of before.
    network = jax.jit(lambda variables, inputs: classifier.logits_of(variables, inputs))
    logits = np.asarray(network(classifier.variables, arrays), np.float32)
    temperature = np.float32(classifier.temperature or 1.0)
    return {
        "logits": logits,
        "probabilities": softmax(logits),
        "calibrated": softmax(logits / temperature),
    }
