"""A made-up folder of somebody's own pictures: drawings in folders by class, for tests."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

STAINS = {
    "Eosinophil": (200, 90, 90),
    "LYMPHOCYTES": (90, 50, 150),
    "monocyte": (130, 110, 170),
    "neutrophils": (170, 120, 170),
    "basophil": (60, 40, 120),
}
ENDINGS = (".png", ".jpg", ".TIF", ".bmp")


def write_own_tree(root: Path, *, smears: int = 5, copies: int = 2, flat: int = 0) -> Path:
    """Writes pictures of every class in every format; returns `root`.

    Args:
        root: folder to write into; made if it is not there.
        smears: folders in each class's, called slide-0 and so on in all of them.
        copies: pictures in each.
        flat: pictures of each class in no such folder.
    """
    rng = np.random.default_rng(0)
    for folder, stain in STAINS.items():
        places = [f"slide-{number}/{copy}" for number in range(smears) for copy in range(copies)]
        for place in [*places, *(f"loose-{number}" for number in range(flat))]:
            width, height = rng.integers(40, 80, 2)
            picture = Image.new("RGB", (int(width), int(height)), (235, 215, 210))
            ImageDraw.Draw(picture).ellipse((8, 8, 32, 32), fill=stain)
            path = root / folder / f"{place}{ENDINGS[rng.integers(len(ENDINGS))]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    return root
