"""Random keys: one integer seed, folded by the name of what draws.

key = named_key(seed=0, name="dropout")
step_key = jax.random.fold_in(key, step)
"""

import zlib

import jax
from jaxtyping import Array, Key

STREAMS = ("params", "dropout", "augment", "order")


def named_key(seed: int, name: str) -> Key[Array, ""]:
    """Returns the key of one stream; streams of one seed are independent of each other.

    Args:
        seed: the run's seed.
        name: one of `STREAMS`.

    Raises:
        ValueError: there is no such stream.
    """
    if name not in STREAMS:
        raise ValueError(f"random stream {name!r} is not known; choose one of {', '.join(STREAMS)}")
    # CRC-32 and not hash(): Python salts the latter anew in every process.
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
