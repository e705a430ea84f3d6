"""Pictures to predict, drawn."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import prepare, read_split


@pytest.fixture(scope="session")
def smears(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn smears in two folders and three formats, and what else lies in folders."""
    folder = tmp_path_factory.mktemp("input") / "smears"
    (folder / "second").mkdir(parents=True)
    prepared = prepare("synthetic_smears/smoke", Places(None, cache_dir))
    encoded = [example.image for example in read_split(prepared, "test")][:6]
    for name, image in zip(("a.jpeg", "b.jpeg", "c.jpeg", "second/d.jpeg"), encoded, strict=False):
        (folder / name).write_bytes(image)
    Image.open(io.BytesIO(encoded[4])).save(folder / "second" / "e.png")
    wide = Image.open(io.BytesIO(encoded[5])).resize((641, 480))
    wide.save(folder / "second" / "f.tiff")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "cut.jpeg").write_bytes(encoded[0][: len(encoded[0]) // 2])
    (folder / "notes.txt").write_text("not a picture, and nothing to report")
    Image.fromarray(np.full((60, 80, 3), 230, np.uint8)).save(folder / "empty_slide.png")
    return folder
