"""Until the detectors are there: the white cell's nucleus, one a picture."""

import numpy as np
from jaxtyping import UInt8

from wbc_jax.data.white_cell import find_nucleus
from wbc_jax.seeds.seed_points import KINDS, Seeds


def find_white_cell(picture: UInt8[np.ndarray, "h w 3"]) -> Seeds:
    """Returns the centre of the nucleus with the most stain; nothing where there is none."""
    nucleus = find_nucleus(picture)
    where = [] if nucleus is None else [np.mean(found) for found in np.nonzero(nucleus)]
    number = 1 if where else 0
    return Seeds(
        np.array(where[:1], np.float32),
        np.array(where[1:], np.float32),
        np.full(number, KINDS.index("WBC"), np.int32),
        np.ones(number, np.float32),
    )
