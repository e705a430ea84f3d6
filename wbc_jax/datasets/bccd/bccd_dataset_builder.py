"""TFDS builder of BCCD: the photographs as published, with a box and a centre for every cell."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from wbc_jax.datasets import catalog
from wbc_jax.datasets.bad_images import BadFile
from wbc_jax.datasets.bccd import source
from wbc_jax.datasets.bccd.annotations import Annotation, BoxedCell
from wbc_jax.datasets.bccd.checking import Annotated, check
from wbc_jax.datasets.blood_cells.sources import load_scenes
from wbc_jax.datasets.image_tree import ImageTree
from wbc_jax.datasets.in_words import listed
from wbc_jax.errors import UserError

_log = logging.getLogger(__name__)
_SPEC = catalog.get("bccd")


class Builder(tfds.core.GeneratorBasedBuilder):
    """BCCD; see README.md beside this file.

    Attributes:
        place: folder or zip of the set; where it is None, TFDS' manual directory.
        on_bad_image: "error" refuses a copy with files that cannot be used, "skip" leaves them out.
        left_out: those files, once it is built.
    """

    VERSION = tfds.core.Version(_SPEC.version)
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "Photographs, kinds, centres and boxes."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Put the set there, as a folder or a zip; see README.md."

    place: Path | None = None
    on_bad_image: str = "error"
    left_out: Sequence[BadFile] = ()

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names=_SPEC.classes),
                    "filename": tfds.features.Text(),
                    "source": tfds.features.Text(),
                    "scene": tfds.features.Text(),
                    "cells": tfds.features.Sequence(
                        {
                            "kind": tfds.features.ClassLabel(names=catalog.CELL_KINDS),
                            "center": tfds.features.Tensor(shape=(2,), dtype=np.float32),
                            "box": tfds.features.BBoxFeature(),
                        }
                    ),
                    "note": tfds.features.Text(),
                }
            ),
            homepage="https://github.com/Shenggan/BCCD_Dataset",
            disable_shuffling=True,  # stored in the order of file names: training shuffles anyway
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        place = self.place or Path(dl_manager.manual_dir)
        tree = source.find(place)
        if tree is None:
            raise UserError(f"bccd: no such set in {place}; see README.md of the builder")
        # Everything is checked before anything is written.
        splits, self.left_out = check(
            tree, source.list_photographs(tree), on_bad_image=self.on_bad_image
        )
        dropped = [
            f"{photograph.annotation} ({text})"
            for part in splits.values()
            for photograph, annotation in part
            for text in annotation.dropped
        ]
        if dropped:
            _log.warning("bccd: boxes that were dropped: %s", listed(dropped))
        return {split: self._generate_examples(tree, part) for split, part in splits.items()}

    def _generate_examples(
        self, tree: ImageTree, part: Sequence[Annotated]
    ) -> Iterator[tuple[int, dict]]:
        for position, (photograph, annotation) in enumerate(part):
            yield (
                position,
                {
                    "image": tree.read(photograph.image),
                    "label": -1,  # a photograph shows cells of several kinds
                    "filename": photograph.image,
                    "source": photograph.name,
                    # Some photographs show one place, and the published splits divide them.
                    "scene": load_scenes().get(photograph.name, photograph.name),
                    "cells": [_cell_example(cell, annotation) for cell in annotation.cells],
                    "note": "; ".join(f"dropped {text}" for text in annotation.dropped),
                },
            )


def _cell_example(cell: BoxedCell, annotation: Annotation) -> dict[str, Any]:
    top, left, bottom, right = cell.box
    height, width = annotation.height, annotation.width
    return {
        "kind": cell.kind,
        "center": np.array(cell.center, np.float32),
        "box": tfds.features.BBox(top / height, left / width, bottom / height, right / width),
    }
