"""A prepared data set held in memory: small encoded images under the name of a real set."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wbc_jax.data import preprocessing
from wbc_jax.datasets import catalog
from wbc_jax.datasets.prepare import Example, PreparedDataset, SplitInfo


def encode(seed: int, *, width: int = 40, height: int = 30, file_format: str = "PNG") -> bytes:
    """A smooth random colour image: resizing noise would leave hardly anything of it."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, format=file_format)
    return buffer.getvalue()


class FakeDataset:
    """What `prepare` would return, and how often its images were read."""

    def __init__(self, name: str, splits: dict[str, list[Example]]) -> None:
        self.splits = splits
        self.num_reads = 0
        infos = {split: SplitInfo(len(e), f"digest of {split}") for split, e in splits.items()}
        self.prepared = PreparedDataset(catalog.get(name), Path("nowhere"), infos)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Makes preprocessing read these images."""

        def read_split(prepared: PreparedDataset, split: str):
            self.num_reads += 1
            return iter(self.splits[split])

        monkeypatch.setattr(preprocessing, "read_split", read_split)

    def with_digest(self, split: str, digest: str) -> PreparedDataset:
        """The same set after its images have changed."""
        infos = dict(self.prepared.splits)
        infos[split] = replace(infos[split], digest=digest)
        return replace(self.prepared, splits=infos)

    def with_count(self, split: str, num_examples: int) -> PreparedDataset:
        """The same set with another number of images in a split."""
        infos = dict(self.prepared.splits)
        infos[split] = replace(infos[split], num_examples=num_examples)
        return replace(self.prepared, splits=infos)
