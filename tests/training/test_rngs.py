"""Random streams: one per name and seed, the same in every process."""

import jax
import numpy as np
import pytest

from wbc_jax.training.rngs import STREAMS, named_key


def data_of(seed: int, name: str) -> tuple[int, ...]:
    return tuple(np.asarray(jax.random.key_data(named_key(seed, name))).tolist())


def test_streams_and_seeds_all_differ() -> None:
    keys = {data_of(seed, name) for seed in (0, 1) for name in STREAMS}
    assert len(keys) == 2 * len(STREAMS)


@pytest.mark.parametrize(
    ("name", "crc"),
    [
        ("params", 0x8FCE0EF3),
        ("dropout", 0x9289EFC9),
        ("augment", 0xEB167A19),
        ("order", 0xF5299398),
    ],
)
def test_a_stream_is_the_seed_folded_with_the_names_crc(name: str, crc: int) -> None:
    expected = jax.random.key_data(jax.random.fold_in(jax.random.key(5), crc))
    assert data_of(5, name) == tuple(np.asarray(expected).tolist())


def test_an_unknown_stream_is_refused() -> None:
    with pytest.raises(ValueError, match=r"random stream 'shuffle' is not known; .* params, drop"):
        named_key(0, "shuffle")
