"""The white cells that the gallery shows: all, or an even part of very many.

shelf = CardShelf(classifier, why=True)
shelf.add(name, cells, sight)
cards = shelf.cards()
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tqdm import tqdm

from wbc_jax.datasets.encoding import encode
from wbc_jax.errors import UserError
from wbc_jax.evaluation.attention import agreement, find_layer, make_grad_cam, make_occlusion
from wbc_jax.evaluation.classifier import Classifier
from wbc_jax.prediction.predictor import Sight
from wbc_jax.reporting.gallery import Card, Why

MOST_CARDS = 600  # a page of some megabytes
_SIDE = 160  # of a card's picture, pixels at most
_QUALITY = 85  # of its JPEG
_BATCH = 16  # cells explained at once


@dataclass(frozen=True)
class _Kept:
    card: Card
    input: UInt8[np.ndarray, "h w c"]


class CardShelf:
    """Keeps every cell; once they are too many every second, then every fourth, and so on."""

    def __init__(self, classifier: Classifier, *, why: bool) -> None:
        """Begins empty.

        Args:
            classifier: gives the answers.
            why: whether it is to explain them.

        Raises:
            UserError: it cannot explain them.
        """
        self._classifier = classifier
        self._layer = _explaining_layer(classifier) if why else None
        self._kept: list[_Kept] = []
        self._stride = 1
        self._count = 0

    def add(self, name: str, cells: Sequence[Mapping[str, Any]], sight: Sight) -> None:
        """Adds the white cells of a picture."""
        white = (cell for cell in cells if "class" in cell)
        for cell, box, image in zip(white, sight.boxes, sight.inputs, strict=True):
            if self._count % self._stride == 0:
                view = sight.picture.crop(box)
                view.thumbnail((_SIDE, _SIDE))
                self._kept.append(_Kept(_card(name, cell, view), image.copy()))
            self._count += 1
        while len(self._kept) > MOST_CARDS:
            self._kept = self._kept[::2]
            self._stride *= 2

    def cards(self) -> list[Card]:
        """Returns the cards, with what the answers rest on where that was asked for."""
        if self._layer is None:
            return [kept.card for kept in self._kept]
        classifier = self._classifier
        model, to_input = classifier.model, classifier.to_input
        explainers = (
            make_grad_cam(model, to_input, self._layer, flips=classifier.flips),
            make_occlusion(model, to_input, flips=classifier.flips),
        )
        cards = []
        with tqdm(total=len(self._kept), desc="explaining", unit=" cells", disable=None) as bar:
            for start in range(0, len(self._kept), _BATCH):
                some = self._kept[start : start + _BATCH]
                filled = some + some[:1] * (_BATCH - len(some))
                images = jnp.stack([kept.input for kept in filled])
                names = [classifier.classes.index(kept.card.most_probable) for kept in filled]
                labels = jnp.array(names, jnp.int32)
                maps = [np.asarray(f(classifier.variables, images, labels)) for f in explainers]
                cards += [_with_why(*row) for row in zip(some, *maps, strict=False)]
                bar.update(len(some))
        return cards


def _explaining_layer(classifier: Classifier) -> tuple[str, ...]:
    side = classifier.settings.image_size
    try:
        return find_layer(classifier.model, classifier.variables, (side, side, 3))
    except ValueError as error:
        raise UserError(
            f"--why: images of {side}x{side} pixels are too small for this network to show places "
            f"({error}); leave --why out"
        ) from error


def _card(name: str, cell: Mapping[str, Any], view: Image.Image) -> Card:
    return Card(
        image=name,
        cell=cell["cell"],
        row=cell["row"],
        column=cell["column"],
        answer=cell["class"],
        most_probable=cell["most_probable"],
        confidence=cell["confidence"],
        probabilities=cell["probabilities"],
        view=encode(view, "JPEG", quality=_QUALITY),
    )


def _with_why(kept: _Kept, grad_cam: np.ndarray, occlusion: np.ndarray) -> Card:
    from wbc_jax.reporting.heat import enlarge, overlay  # matplotlib

    view = Image.open(io.BytesIO(kept.card.view))
    rank = agreement(enlarge(grad_cam, occlusion.shape[::-1]), occlusion)
    why = Why(
        overlay(view, grad_cam),
        overlay(view, np.maximum(occlusion, 0.0)),
        None if np.isnan(rank) else rank,
    )
    return replace(kept.card, why=why)
