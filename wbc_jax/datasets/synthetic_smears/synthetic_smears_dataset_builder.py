"""TFDS builder of the drawn smears.

builder = Builder(data_dir="...", config="default")
builder.download_and_prepare(file_format="array_record")
train = builder.as_data_source("train")
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from wbc_jax.datasets import catalog
from wbc_jax.datasets.synthetic_smears import copies, drawing
from wbc_jax.threads import ahead

NAME = "synthetic_smears"
DEFAULT = catalog.get(f"{NAME}/default")
SEED = 2024  # of version 1.0.0; another seed is another version
SPLITS = ("train", "test")  # a split's place is part of its smears' seeds
# PIL and large numpy operations let other threads run: on two cores, two threads take about half
# the time of one. Processes would gain no more and would need a guarded `__main__`.
THREADS = 2


@dataclass(eq=False)
class SmearsConfig(tfds.core.BuilderConfig):
    """How much is drawn.

    Attributes:
        smears: drawn smears of each split, a multiple of the number of classes.
        copies: augmented copies of each smear.
    """

    smears: tuple[int, int] = (0, 0)
    copies: int = 0


def _config(name: str, smears: tuple[int, int], copies: int) -> SmearsConfig:
    spec = catalog.get(f"{NAME}/{name}")
    return SmearsConfig(
        name=name, version=spec.version, description=spec.title, smears=smears, copies=copies
    )


def draw_examples(split: str, number: int, *, num_copies: int) -> list[tuple[str, dict[str, Any]]]:
    """Draws a smear and its copies; the same arguments always give the same bytes.

    Args:
        split: "train" or "test".
        number: the smear's number within its split; it also decides its kind.
        num_copies: augmented copies to make.

    Returns:
        (key, TFDS example) of each copy.
    """
    kind = DEFAULT.classes[number % len(DEFAULT.classes)]
    rng = np.random.default_rng([SEED, SPLITS.index(split), number])
    smear = drawing.draw_smear(rng, kind)
    examples = []
    for i in range(num_copies):
        copy = copies.make_copy(smear, rng)
        filename = f"{split}/{kind}/smear_{number:04d}_copy_{i}.jpeg"
        examples.append(
            (
                filename,
                {
                    "image": copies.to_jpeg(copy.picture),
                    "label": kind,
                    "filename": filename,
                    "source": f"{split}_smear_{number:04d}",
                    "cells": [_cell_example(cell) for cell in copy.cells],
                    "instances": copies.to_png(copy.instances),
                },
            )
        )
    return examples


def _cell_example(cell: copies.Cell) -> dict[str, Any]:
    top, left, bottom, right = cell.box
    height, width = drawing.HEIGHT, drawing.WIDTH
    return {
        "kind": cell.kind,
        "center": np.array(cell.center, np.float32),
        "box": tfds.features.BBox(top / height, left / width, bottom / height, right / width),
    }


class Builder(tfds.core.GeneratorBasedBuilder):
    """Drawings of stained blood smears with one white cell each: an embedded stand-in."""

    VERSION = tfds.core.Version(DEFAULT.version)
    RELEASE_NOTES = {DEFAULT.version: "First drawings."}  # noqa: RUF012 (TFDS's own convention)
    BUILDER_CONFIGS = [  # noqa: RUF012
        _config("default", (400, 100), 5),
        _config("smoke", (24, 8), 4),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        shape = (drawing.HEIGHT, drawing.WIDTH)
        kinds = (*DEFAULT.classes, "red_cell", "platelet")
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(*shape, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names=DEFAULT.classes),
                    "filename": tfds.features.Text(),
                    "source": tfds.features.Text(),
                    "cells": tfds.features.Sequence(
                        {
                            "kind": tfds.features.ClassLabel(names=kinds),
                            "center": tfds.features.Tensor(shape=(2,), dtype=np.float32),
                            "box": tfds.features.BBoxFeature(),
                        }
                    ),
                    "instances": tfds.features.Image(shape=(*shape, 1), encoding_format="png"),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # nothing to download
        counts = dict(zip(SPLITS, self.builder_config.smears, strict=True))
        return {split: self._generate_examples(split, counts[split]) for split in SPLITS}

    def _generate_examples(self, split: str, smears: int) -> Iterator[tuple[str, dict[str, Any]]]:
        draw = partial(draw_examples, split, num_copies=self.builder_config.copies)
        # A short queue: the threads stay busy and the bytes do not pile up before the writer.
        with ahead(draw, range(smears), threads=THREADS, per_thread=2) as drawn:
            for _, future in drawn:
                yield from future.result()
