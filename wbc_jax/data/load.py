"""The images of a run: prepared, pre-processed and divided, from plain settings.

data = load_data("paper", settings, Places(None, cache), num_classes=4, draw=Draw(0))
data.partition.train.image
data = load_pictures("bccd", PictureSettings(240, 320), Places(folder, cache), draw=Draw(0))
data.partition.train.cells
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wbc_jax.data.annotated import PictureSettings, load_annotated
from wbc_jax.data.divisions import shared_smears
from wbc_jax.data.examples import Examples
from wbc_jax.data.preprocessing import Settings, load_split
from wbc_jax.data.protocols import PROTOCOLS, Draw, Partition, Protocol, get_protocol
from wbc_jax.datasets import bad_images, catalog
from wbc_jax.datasets.catalog import UNRESOLVED
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import PreparedDataset, prepare
from wbc_jax.errors import UserError


@dataclass(frozen=True)
class Data:
    """The images of a run and where they come from."""

    protocol: Protocol
    prepared: PreparedDataset
    classes: tuple[str, ...]
    partition: Partition

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before believing a figure: of the protocol, and of files left out."""
        left_out = [bad_images.warning(bad)] if (bad := self.prepared.left_out) else []
        return (*self.protocol.warnings, *self.prepared.notes, *left_out)

    def describe(self) -> dict[str, Any]:
        """Returns what `dataset.json` says: which images a run's figures come from."""
        parts = self.partition._asdict()
        spec, infos = self.prepared.spec, self.prepared.splits
        shared = shared_smears(*(part.source for part in parts.values()))
        shared_scenes = shared_smears(*(part.scene for part in parts.values()))
        in_splits = sum(infos[split].num_examples for split in self.protocol.splits)
        used = sum(len(part.label) for part in parts.values())
        return {
            "dataset": spec.name,
            "title": spec.title,
            "version": spec.version,
            "protocol": self.protocol.name,
            "protocol_description": self.protocol.description,
            "is_leaky": self.protocol.is_leaky,
            "warnings": list(self.warnings),
            "bad_images": [bad._asdict() for bad in self.prepared.left_out],
            "splits": {
                split: {"num_examples": infos[split].num_examples, "digest": infos[split].digest}
                for split in self.protocol.splits
            },
            "classes": list(self.classes),
            **{f"num_{name}": len(part.label) for name, part in parts.items()},
            "counted": "images" if self.partition.train.cells is None else "cells",
            **{f"{name}_class_counts": self._class_counts(part) for name, part in parts.items()},
            # Copies of unknown smears are counted in no class's smears, nor in all.
            "smears": {name: self._smear_counts(part) for name, part in parts.items()},
            "all_smears": {
                name: len(set(part.source) - {UNRESOLVED}) for name, part in parts.items()
            },
            "num_smears_on_two_sides": len(shared),
            "num_scenes_on_two_sides": len(shared_scenes),
            "num_left_out": in_splits - used,
            "num_unresolved": sum(
                int((part.source == UNRESOLVED).sum()) for part in parts.values()
            ),
        }

    def _class_counts(self, examples: Examples) -> dict[str, int]:
        kinds = examples.label if examples.cells is None else examples.cells[..., 4]
        return {name: int((kinds == i).sum()) for i, name in enumerate(self.classes)}

    def _smear_counts(self, examples: Examples) -> dict[str, int]:
        """Returns of how many smears the examples of a class are, or in how many its cells are."""
        cells = examples.cells
        return {
            name: len(
                set(
                    examples.source[
                        examples.label == i if cells is None else (cells[..., 4] == i).any(axis=1)
                    ]
                )
                - {UNRESOLVED}
            )
            for i, name in enumerate(self.classes)
        }


def class_names(protocol: str, num_classes: int) -> tuple[str, ...]:
    """Returns the names of the first `num_classes` classes of a protocol's data set.

    Raises:
        UserError: the protocol is not known, or its data set has fewer classes.
    """
    spec = catalog.get(get_protocol(protocol).dataset)
    if not 2 <= num_classes <= len(spec.classes):
        raise UserError(
            f"data.num_classes={num_classes} must lie between 2 and {len(spec.classes)}, the "
            f"classes of {spec.name}: {', '.join(spec.classes)}"
        )
    return spec.classes[:num_classes]


def load_data(
    protocol_name: str, settings: Settings, places: Places, *, num_classes: int, draw: Draw
) -> Data:
    """Prepares, pre-processes and divides the images of a protocol.

    Args:
        protocol_name: which images are train and test.
        settings: how an image becomes an array.
        places: where the images come from.
        num_classes: the first so many classes are kept, the others' images left out.
        draw: which of a protocol's divisions.

    Raises:
        UserError: a value is out of range, the images are not there or cannot be read, or none of
            a class is left to train on.
    """

    def read(prepared: PreparedDataset, split: str) -> Examples:
        examples = load_split(prepared, split, settings, cache_dir=places.cache_dir)
        return examples.take(np.flatnonzero((examples.label >= 0) & (examples.label < num_classes)))

    classes = class_names(protocol_name, num_classes)
    data = _divide(protocol_name, classes, read, draw, places)
    present = set(data.partition.train.label)
    if missing := [name for label, name in enumerate(classes) if label not in present]:
        raise UserError(
            f"data.num_classes={num_classes}: no training image of {', '.join(missing)}; add such "
            "images, or lower it where the class is the last"
            + "".join(f". {note}" for note in data.prepared.notes)
        )
    return data


def load_pictures(
    protocol_name: str, settings: PictureSettings, places: Places, *, draw: Draw
) -> Data:
    """Prepares, resizes and divides the pictures of a protocol, with every cell in them.

    Args:
        protocol_name: which pictures are train and test; its set has boxes.
        settings: to which size.
        places: where the pictures come from.
        draw: which of a protocol's divisions.

    Raises:
        UserError: a value is out of range, the set has no boxes, or its pictures are not there.
    """
    spec = catalog.get(get_protocol(protocol_name).dataset)
    if not spec.cell_kinds:
        known = [one.name for one in PROTOCOLS.values() if catalog.get(one.dataset).cell_kinds]
        raise UserError(
            f"data.protocol={protocol_name!r}: {spec.name} has no boxes of cells, which a detector "
            f"learns from; choose one of {', '.join(known)}"
        )

    def read(prepared: PreparedDataset, split: str) -> Examples:
        return load_annotated(prepared, split, settings, cache_dir=places.cache_dir)

    return _divide(protocol_name, catalog.CELL_KINDS, read, draw, places)


def _divide(
    protocol_name: str,
    classes: tuple[str, ...],
    read: Callable[[PreparedDataset, str], Examples],
    draw: Draw,
    places: Places,
) -> Data:
    protocol = get_protocol(protocol_name)
    protocol.require_valid(draw)  # before anything is prepared
    prepared = prepare(protocol.dataset, places)
    splits = {split: read(prepared, split) for split in protocol.splits}
    return Data(protocol, prepared, classes, protocol.divide(splits, draw))
