"""Draws smears into a folder, as pictures to try `--mode=predict` on.

python -m wbc_jax.datasets.synthetic_smears drawn --count=24

They are of other seeds than the data set's: no run has seen them.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from wbc_jax.datasets.catalog import CLASSES
from wbc_jax.datasets.synthetic_smears import drawing

_SEED = 1


def main() -> None:
    """Writes COUNT pictures, a white cell in each, their kinds in turn in the files' names."""
    parser = argparse.ArgumentParser(
        prog="python -m wbc_jax.datasets.synthetic_smears", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="Made where it is missing.")
    parser.add_argument("--count", type=int, default=24, help="Pictures.")
    options = parser.parse_args()
    if options.count < 1:
        parser.error(f"--count={options.count} must be at least 1: pictures to draw")
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{options.folder} cannot be made ({error.strerror}); name another folder")
    for number in range(options.count):
        kind = CLASSES[number % len(CLASSES)]
        smear = drawing.draw_smear(np.random.default_rng([_SEED, number]), kind)
        Image.fromarray(smear.picture).save(options.folder / f"{number:03d}_{kind}.png")


if __name__ == "__main__":
    main()
