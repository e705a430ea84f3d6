"""A classifier with its pre-processing as one portable program: uint8 images in, probabilities out.

exported = export_program(classifier, picture_size=(240, 320))
exported.serialize()                                 # StableHLO, by `jax.export`

The batch is symbolic. The program takes the weights as its first argument: they lie in a file of
their own, which needs no JAX to be read. Layers are XLA's own operations: the kernels in C, with
which the CPU trains, are not there on another machine.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import export
from jaxtyping import Array, Float, UInt8

from wbc_jax.errors import UserError
from wbc_jax.evaluation.classifier import Classifier
from wbc_jax.export.resizing import resize, to_gray
from wbc_jax.nn.lowering import portable

PLATFORMS = ("cpu", "cuda", "tpu")
MOST_SIDE = 4096  # pixels of an input
Weights = dict[str, Array]
Answers = dict[str, Float[Array, "b k"]]


def input_size(classifier: Classifier, picture_size: tuple[int, int]) -> tuple[int, int]:
    """Returns rows and columns of the program's input.

    Args:
        classifier: of a run.
        picture_size: rows and columns of a whole picture. A run of the view white_cell gets the
            square window around the white cell that is cut out of it.

    Raises:
        UserError: the size is out of range.
    """
    if not all(1 <= side <= MOST_SIDE for side in picture_size):
        raise UserError(
            f"input_size={picture_size[0]}x{picture_size[1]} must be ROWSxCOLUMNS of your pictures,"
            f" each at least 1 and at most {MOST_SIDE}, such as 240x320"
        )
    if classifier.settings.view == "white_cell":
        side = max(1, round(classifier.settings.window_side * picture_size[0]))
        return side, side
    return picture_size


def export_program(classifier: Classifier, picture_size: tuple[int, int]) -> export.Exported:
    """Traces and lowers the program for `PLATFORMS`.

    Raises:
        UserError: the size is out of range, or Pillow is one whose resizing is not known.
    """
    rows, columns = input_size(classifier, picture_size)
    (batch,) = export.symbolic_shape("b")
    images = jax.ShapeDtypeStruct((batch, rows, columns, 3), jnp.uint8)
    weights = {
        name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
        for name, leaf in flat_weights(classifier).items()
    }
    # Else accelerators would round the factors of every product to 10 or 7 bits.
    with portable(), jax.default_matmul_precision("highest"), _without_places():
        return export.export(jax.jit(_make_classify(classifier)), platforms=PLATFORMS)(
            weights, images
        )


def flat_weights(classifier: Classifier) -> Weights:
    """Returns weights and running statistics under names such as `params/logits/kernel`."""
    return flatten_dict(classifier.variables, sep="/")


@contextmanager
def _without_places() -> Iterator[None]:
    """Keeps the folders of this machine, and who called whom, out of the program."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)


def _make_classify(
    classifier: Classifier,
) -> Callable[[Weights, UInt8[Array, "b h w 3"]], Answers]:
    settings, temperature = classifier.settings, classifier.temperature or 1.0

    def classify(weights: Mapping[str, Array], images: UInt8[Array, "b h w 3"]) -> Answers:
        for side in settings.sides:
            images = resize(images, (side, side))
        if settings.gray:
            images = to_gray(images)
        logits = classifier.logits_of(unflatten_dict(weights, sep="/"), images)
        return {
            "logits": logits,
            "probabilities": jax.nn.softmax(logits),
            "calibrated": jax.nn.softmax(logits / temperature),
        }

    return classify
