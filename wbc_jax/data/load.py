"""The images of a run: prepared, pre-processed and divided, from plain settings.

data = load_data("paper", settings, num_classes=4, seed=0, data_dir=None, cache_dir=cache)
data.partition.train.image
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wbc_jax.data.examples import Examples
from wbc_jax.data.preprocessing import Settings, load_split
from wbc_jax.data.protocols import Partition, Protocol, get_protocol
from wbc_jax.datasets import catalog
from wbc_jax.datasets.prepare import PreparedDataset, prepare
from wbc_jax.errors import UserError


@dataclass(frozen=True)
class Data:
    """The images of a run and where they come from."""

    protocol: Protocol
    prepared: PreparedDataset
    classes: tuple[str, ...]
    partition: Partition

    def describe(self) -> dict[str, Any]:
        """Returns what `dataset.json` says: which images a run's figures come from."""
        train, test = self.partition
        spec, infos = self.prepared.spec, self.prepared.splits
        return {
            "dataset": spec.name,
            "title": spec.title,
            "version": spec.version,
            "protocol": self.protocol.name,
            "protocol_description": self.protocol.description,
            "warnings": list(self.protocol.warnings),
            "splits": {
                split: {"num_examples": infos[split].num_examples, "digest": infos[split].digest}
                for split in self.protocol.splits
            },
            "num_train": len(train.label),
            "num_test": len(test.label),
            "classes": list(self.classes),
            "train_class_counts": self._class_counts(train),
            "test_class_counts": self._class_counts(test),
        }

    def _class_counts(self, examples: Examples) -> dict[str, int]:
        return {name: int((examples.label == i).sum()) for i, name in enumerate(self.classes)}


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
    protocol_name: str,
    settings: Settings,
    *,
    num_classes: int,
    seed: int,
    data_dir: Path | None,
    cache_dir: Path,
    download: bool = False,
) -> Data:
    """Prepares, pre-processes and divides the images of a protocol.

    Args:
        protocol_name: which images are train and test.
        settings: how an image becomes an array.
        num_classes: the first so many classes are kept, the others' images left out.
        seed: of a protocol that divides at random.
        data_dir: where a user's images are looked for; only read.
        cache_dir: where prepared sets and arrays are kept.
        download: fetch images that are not found, where that is allowed.

    Raises:
        UserError: a value is out of range, or the images are not there or cannot be read.
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"seed={seed} must lie in [0, 2^32), the range of a random key")
    protocol = get_protocol(protocol_name)
    classes = class_names(protocol_name, num_classes)
    prepared = prepare(protocol.dataset, data_dir=data_dir, cache_dir=cache_dir, download=download)
    splits = {}
    for split in protocol.splits:
        examples = load_split(prepared, split, settings, cache_dir=cache_dir)
        kept = np.flatnonzero((examples.label >= 0) & (examples.label < num_classes))
        splits[split] = examples.take(kept)
    return Data(protocol, prepared, classes, protocol.divide(splits, seed))
