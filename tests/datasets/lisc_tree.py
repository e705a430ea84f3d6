"""A made-up tree of LISC's layout: drawings in place of smears, for tests."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASS_FOLDERS = ("Baso", "eosi", "lymp", "mono", "neut")
SIZE = (720, 576)  # width, height of an image
MASK_SIZE = (712, 568)  # the expert's drawings leave out 4 pixels on every side
STAINS = {
    "Baso": (60, 40, 120),
    "eosi": (200, 90, 90),
    "lymp": (90, 50, 150),
    "mono": (130, 110, 170),
    "neut": (170, 120, 170),
    "mixt": (120, 80, 140),
}


def write_lisc_tree(root: Path, per_class: int = 2, mixt: int = 1, *, seed: int = 0) -> Path:
    """Writes `root/LISC Database` with images and masks; returns that folder.

    Every class has its own stain, so that a model can tell the classes apart.

    Args:
        root: folder to write into; made if it is not there.
        per_class: images in each of the five class folders.
        mixt: images in the folder of mixed cells; 0 leaves it out.
        seed: of the drawings.
    """
    database = root / "LISC Database"
    rng = np.random.default_rng(seed)
    for folder in (*CLASS_FOLDERS, "mixt"):
        for number in range(1, (mixt if folder == "mixt" else per_class) + 1):
            _write_smear(database, folder, number, rng)
    ignored = database / "More Dataset without Ground Truth" / "alll"
    ignored.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE).save(ignored / "1.bmp")
    return database


def _write_smear(database: Path, folder: str, number: int, rng: np.random.Generator) -> None:
    noise = rng.integers(-8, 9, (SIZE[1], SIZE[0], 1))
    smear = Image.fromarray(np.clip(np.array([225, 205, 200]) + noise, 0, 255).astype(np.uint8))
    mask = Image.new("L", MASK_SIZE)
    for _ in range(2 if folder == "mixt" else 1):
        x, y = rng.integers(80, SIZE[0] - 80), rng.integers(80, SIZE[1] - 80)
        for radius, stain, level in ((60, STAINS[folder], 150), (35, (70, 30, 110), 255)):
            box = np.array([x - radius, y - radius, x + radius, y + radius])
            ImageDraw.Draw(smear).ellipse(box.tolist(), fill=stain)
            ImageDraw.Draw(mask).ellipse((box - 4).tolist(), fill=level)
    images = database / "Main Dataset" / folder
    masks = database / "Ground Truth Segmentation" / folder / "areaforexpert1"
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    smear.save(images / f"{number}.bmp")
    mask.save(masks / f"{number}_expert.bmp")
