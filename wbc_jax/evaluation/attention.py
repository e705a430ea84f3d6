"""What an answer rests on: Grad-CAM, and occlusion as its check.

layer = find_layer(model, variables, image_shape=(50, 50, 3))
heat = make_grad_cam(model, to_input, layer, flips=False)(variables, images, labels)  # [b, h, w]
fall = make_occlusion(model, to_input, flips=False)(variables, images, labels)        # [b, H, W]

Grad-CAM asks the gradient what in a late layer speaks for the class, and shows where that is
active; occlusion covers the picture patch by patch and shows where the class's probability falls.
The first is quick and coarse; the second asks nothing of the network's inside. Neither says that
the network is right.

As published, Grad-CAM weighs a channel by the mean of its gradient over all places. That is exact
where a mean over places follows; here a dense layer does, with weights of its own for each place,
and the mean mixes them. So each place keeps its own gradient (`per_place`), which is exact for
both; docs/predict.md has the measurement.

Source: Selvaraju et al. (2017), "Grad-CAM"; Draelos and Carin (2020), "HiResCAM", for gradients by
place; Zeiler and Fergus (2014), section 4, for occlusion.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from wbc_jax.evaluation.inference import MIRRORED, ToInput
from wbc_jax.models.describe import KINDS
from wbc_jax.training.train_state import Variables

LEAST_SIDE = 6  # of a layer's map; smaller ones show no place (VGG19 ends at 1x1, ResNet50 at 2x2)
PATCH_SHARE = 0.2  # side of the patch that covers, of the image's side: about a nucleus
STEPS_PER_PATCH = 2  # how far the patch moves: half its side

Path = tuple[str, ...]
Maps = Float[Array, "b h w"]
Explain = Callable[[Variables, UInt8[Array, "b h w c"], Int[Array, " b"]], Maps]
_LAYERS = tuple(layer for layer, kind in KINDS.items() if kind in ("convolution", "normalization"))


def find_layer(model: nn.Module, variables: Variables, image_shape: tuple[int, int, int]) -> Path:
    """Returns the path of the last convolution or normalization that still shows places.

    Args:
        model: one of the study's networks.
        variables: its weights, or their shapes.
        image_shape: rows, columns, bands of its input.

    Raises:
        ValueError: no layer's map is large enough.
    """
    found: list[Path] = []

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        output = call(*args, **kwargs)
        is_layer = isinstance(context.module, _LAYERS) and context.method_name == "__call__"
        if is_layer and output.ndim == 4 and min(output.shape[1:3]) >= LEAST_SIDE:
            found.append(context.module.path)
        return output

    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    with nn.intercept_methods(note):
        jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, image)
    if not found:
        raise ValueError(f"no layer has a map of {LEAST_SIDE}x{LEAST_SIDE}")
    return found[-1]


def make_grad_cam(
    model: nn.Module, to_input: ToInput, layer: Path, *, flips: bool, per_place: bool = True
) -> Explain:
    """Returns what maps where in a layer that is active which speaks for a class.

    Args:
        model: called with an image and `train=False`.
        to_input: uint8 images to standardised bands.
        layer: from `find_layer`.
        flips: whether answers are means over four mirror images; so is the map, then.
        per_place: every place by its own gradient; else by the mean over all, as published.

    Returns:
        `explain(variables, images, labels) -> maps` at the layer's size, not negative, without a
        unit; compiled.
    """

    def score(
        change: Array, variables: Variables, images: Array, labels: Array
    ) -> tuple[Array, Array]:
        kept = []

        def tap(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
            output = call(*args, **kwargs)
            if context.module.path != layer or context.method_name != "__call__":
                return output
            kept.append(output)
            return output + change

        with nn.intercept_methods(tap):
            logits: Any = model.apply(variables, to_input(images), train=False)
        # Each image has a score of its own, so the sum's gradient holds every one's.
        return jnp.take_along_axis(logits, labels[:, None], axis=1).sum(), kept[0]

    def explain(variables: Variables, images: Array, labels: Array) -> Array:
        # The layer's shape is not known before; what is added to it is nothing.
        shape = jax.eval_shape(score, 0.0, variables, images, labels)[1]
        nothing = jnp.zeros(shape.shape, shape.dtype)
        gradient, active = jax.grad(score, has_aux=True)(nothing, variables, images, labels)
        weights = gradient if per_place else gradient.mean((1, 2), keepdims=True)
        return nn.relu((weights * nn.relu(active)).sum(-1))

    return jax.jit(_over_mirror_images(explain) if flips else explain)


def make_occlusion(model: nn.Module, to_input: ToInput, *, flips: bool) -> Explain:
    """Returns what maps how much a class's probability falls where the image is covered.

    The patch has the mean of every band over the training images, zero once standardised.

    Args:
        model: as for `make_grad_cam`.
        to_input: uint8 images to standardised bands.
        flips: as there.

    Returns:
        `explain(variables, images, labels) -> maps` at the image's size: the mean fall, in [-1, 1],
        over the patches that cover a pixel; compiled.
    """

    def of_one(variables: Variables, image: Array, label: Array) -> Array:
        inputs = to_input(image[None])
        kept = jnp.asarray(visible_parts(image.shape[0], image.shape[1]), inputs.dtype)
        views = jnp.concatenate([inputs, inputs * kept[..., None]])
        logits: Any = model.apply(variables, views, train=False)
        probability = jax.nn.softmax(logits)[:, label]
        covered = 1 - kept
        falls = (probability[0] - probability[1:])[:, None, None] * covered
        return falls.sum(0) / covered.sum(0)

    def explain(variables: Variables, images: Array, labels: Array) -> Array:
        return jax.lax.map(lambda one: of_one(variables, *one), (images, labels))

    return jax.jit(_over_mirror_images(explain) if flips else explain)


def _over_mirror_images(explain: Explain) -> Explain:
    """Returns the mean of the maps of the image and its mirror images, each turned back."""

    def explain_all(variables: Variables, images: Array, labels: Array) -> Array:
        maps = [
            jnp.flip(explain(variables, jnp.flip(images, axes), labels), axes) for axes in MIRRORED
        ]
        return jnp.stack(maps).mean(0)

    return explain_all


def visible_parts(rows: int, columns: int) -> UInt8[np.ndarray, "p h w"]:
    """Returns what each place of the patch leaves visible: 0 under it, else 1.

    Every pixel is covered by at least one.
    """
    places = []
    for side in (rows, columns):
        patch = max(1, round(PATCH_SHARE * side))
        step = max(1, patch // STEPS_PER_PATCH)
        starts = np.unique(np.append(np.arange(0, side - patch, step), side - patch))
        places.append([slice(start, start + patch) for start in starts])
    masks = np.ones((len(places[0]) * len(places[1]), rows, columns), np.uint8)
    pairs = [(down, across) for down in places[0] for across in places[1]]
    for mask, pair in zip(masks, pairs, strict=True):
        mask[pair] = 0
    return masks


def agreement(first: Float[np.ndarray, "h w"], second: Float[np.ndarray, "h w"]) -> float:
    """Returns the rank correlation of two maps of one size, in [-1, 1]; NaN for an even map.

    Source: Spearman (1904).
    """
    from scipy import stats

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(stats.spearmanr(first.ravel(), second.ravel()).statistic)
