"""Does what explains an answer point at the white cell? On drawn smears, where the truth is known.

python -m benchmarks.attention --run=runs/cnn-synthetic-seed0 --split=test

Of the pictures that the run answers right: the share whose highest point lies on a pixel of the
white cell, for Grad-CAM with one weight for a channel (as published), Grad-CAM with the gradient
of each place (what the gallery shows) and occlusion; the share of the picture that is white cell,
which a point set at random would hit; and the rank correlation of the second with the third.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

from benchmarks.command_line import add_cache_dir, at_least, create_parser, run
from wbc_jax.data.preprocessing import shrink
from wbc_jax.datasets.decoding import decode
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import prepare
from wbc_jax.datasets.records import read_features
from wbc_jax.evaluation.attention import (
    Explain,
    agreement,
    find_layer,
    make_grad_cam,
    make_occlusion,
)
from wbc_jax.evaluation.classifier import Classifier, load_classifier
from wbc_jax.prediction.windows import own_box
from wbc_jax.reporting.heat import enlarge
from wbc_jax.text_table import text_table

_DATASET = "synthetic_smears/default"
_BATCH = 50


def main(arguments: Sequence[str]) -> None:
    """Measures and prints the table."""
    parser = create_parser("attention", __doc__)
    parser.add_argument("--run", type=Path, required=True, help="directory of a finished run")
    parser.add_argument("--split", default="test", choices=("train", "test"))
    add_cache_dir(parser)
    parser.add_argument("--count", type=at_least(1), default=500, help="pictures, from the first")
    options = parser.parse_args(arguments)
    classifier = load_classifier(options.run)
    inputs, white, labels = _read(classifier, options.split, options.count, Path(options.cache_dir))
    logits_of = jax.jit(classifier.logits_of)
    answers = _in_batches(lambda rows: logits_of(classifier.variables, inputs[rows]), len(inputs))
    right = np.flatnonzero(answers.argmax(axis=1) == labels)
    inputs, labels, white = inputs[right], labels[right], [white[index] for index in right]
    maps = _maps(classifier, inputs, labels)
    rows = [
        [name, f"{np.mean(list(map(_is_hit, heats, white))):.1%}"] for name, heats in maps.items()
    ]
    rows.append(["a point at random", f"{np.mean([mask.mean() for mask in white]):.1%}"])
    shape = inputs.shape[2:0:-1]
    both = zip(maps["Grad-CAM, by place"], maps["occlusion"], strict=True)
    ranks = [agreement(enlarge(heat, shape), fall) for heat, fall in both]
    print(
        f"{options.run}: {_DATASET} {options.split}, {len(right)} of {len(answers)} answered right"
    )
    print(text_table(["highest point of", "on the white cell"], rows))
    print(
        f"rank correlation of Grad-CAM by place with occlusion, median: {np.nanmedian(ranks):.2f}"
    )


def _read(
    classifier: Classifier, split: str, count: int, cache_dir: Path
) -> tuple[np.ndarray, list[Bool[np.ndarray, "h w"]], np.ndarray]:
    """Returns the network's inputs, the pixels of the white cell in each view, and the labels."""
    prepared = prepare(_DATASET, Places(None, cache_dir))
    inputs, white, labels = [], [], []
    for features in read_features(prepared.path, split):
        picture = decode(features["image"])
        box = own_box(picture, classifier.settings)
        index = next(i for i, kind in enumerate(features["cells"]["kind"]) if kind < 4)
        instances = Image.open(io.BytesIO(features["instances"]))
        inputs.append(shrink(picture.crop(box), classifier.settings))
        white.append(np.asarray(instances.crop(box)) == index + 1)
        labels.append(features["label"])
        if len(labels) == count:
            break
    return np.stack(inputs), white, np.array(labels, np.int32)


def _maps(
    classifier: Classifier, inputs: np.ndarray, labels: np.ndarray
) -> dict[str, Float[np.ndarray, "n h w"]]:
    model, to_input, variables = classifier.model, classifier.to_input, classifier.variables
    layer = find_layer(model, variables, (*inputs.shape[1:3], 3))
    flips = classifier.flips
    explainers = {
        "Grad-CAM, as published": make_grad_cam(
            model, to_input, layer, flips=flips, per_place=False
        ),
        "Grad-CAM, by place": make_grad_cam(model, to_input, layer, flips=flips),
        "occlusion": make_occlusion(model, to_input, flips=flips),
    }
    found = {}
    for name, explain in explainers.items():

        def compute(rows: np.ndarray, explain: Explain = explain) -> object:
            return explain(variables, jnp.asarray(inputs[rows]), jnp.asarray(labels[rows]))

        found[name] = _in_batches(compute, len(inputs))
    return found


def _in_batches(compute: Callable[[np.ndarray], object], count: int) -> np.ndarray:
    """Returns what is computed of the rows, a batch of one size at a time."""
    parts = []
    for start in range(0, count, _BATCH):
        rows = np.minimum(np.arange(start, start + _BATCH), count - 1)
        parts.append(np.asarray(compute(rows)))
    return np.concatenate(parts)[:count]


def _is_hit(heat: Float[np.ndarray, "h w"], white: Bool[np.ndarray, "r c"]) -> bool:
    large = enlarge(heat, white.shape[::-1])
    return bool(white[np.unravel_index(large.argmax(), large.shape)])


if __name__ == "__main__":
    run(main)
