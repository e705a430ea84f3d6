"""The convolutions in C against float64 sums: forward, all gradients, every tile, every edge."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.nn.convolution_cases import (
    CHANNELS,
    GEOMETRIES,
    TOLERANCE,
    Case,
    Results,
    assert_exact,
    errors,
    results,
)
from wbc_jax.nn.native import library
from wbc_jax.nn.native.convolution import conv_native

pytestmark = pytest.mark.usefixtures("native")

# What the tiles serve: stride 1, 3x3 or 5x5, multiples of 16. `PAIRS` is a tile of 6 or 8 pixels.
PAIRS = [2, 3]
TILED = [
    Case((1, 1), channels=16, features=16),
    Case((5, 3), channels=16, features=16, batch=1),
    Case((6, 6), padding="VALID", channels=48, features=32, batch=3),
    Case((13, 9), channels=16, features=48, batch=3),
    Case((9, 14), (5, 5), channels=16, features=32, batch=1),
    Case((5, 5), (5, 5), padding="VALID", channels=32, features=16, batch=33),
    Case((8, 7), padding=((2, 0), (0, 1)), channels=16, features=16),
    Case((7, 9), (5, 5), padding=((4, 1), (0, 3)), channels=16, features=16),
    Case((4, 4), channels=512, features=96, batch=3),
    Case((3, 3), channels=96, features=512, batch=1),
    # More tiles than are held in the cache at once.
    Case((13, 13), channels=64, features=48, batch=33),
    Case((9, 9), (5, 5), channels=48, features=80, batch=32),
]


def conv(
    image: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    case: Case,
    pairs: int = 0,
    write_padding: bool = False,
    half: bool = False,
) -> jax.Array:
    """The one place of these tests that knows the order of the arguments."""
    return conv_native(image, kernel, bias, case.strides, case.pads, pairs, write_padding, half)


def run(case: Case, **fields: Any) -> Results:
    return results(lambda *arrays: conv(*arrays, case, **fields), case)


@pytest.mark.parametrize("case", [*GEOMETRIES, *CHANNELS], ids=str)
def test_the_direct_sum(case: Case) -> None:
    assert_exact(run(case), case)


@pytest.mark.parametrize("case", [case for case in GEOMETRIES if any(case.pads[1])], ids=str)
def test_padding_in_memory(case: Case) -> None:
    assert_exact(run(case, write_padding=True), case)


@pytest.mark.parametrize("pairs", PAIRS)
@pytest.mark.parametrize("case", TILED, ids=str)
def test_tiles(case: Case, pairs: int) -> None:
    assert_exact(run(case, pairs=pairs), case)


@pytest.mark.parametrize("kernel_size", [(3, 3), (5, 5)])
@pytest.mark.parametrize("pairs", PAIRS)
def test_tiles_are_nearly_as_exact_as_the_direct_sum(
    kernel_size: tuple[int, int], pairs: int
) -> None:
    case = Case((12, 12), kernel_size, channels=64, features=64, batch=3)
    tiled, direct = errors(run(case, pairs=pairs), case), errors(run(case), case)
    for name, error in tiled.items():
        assert 0 < error < 20 * direct[name], (name, error, direct[name])


@pytest.mark.parametrize("case", [*GEOMETRIES[1::2], *CHANNELS], ids=str)
def test_products_of_bfloat16_are_exact_for_numbers_of_bfloat16(case: Case) -> None:
    case = case._replace(rounded=True)
    assert_exact(run(case, half=True), case)


@pytest.mark.parametrize("case", [case for case in GEOMETRIES if any(case.pads[1])][::3], ids=str)
def test_products_of_bfloat16_with_padding_in_memory(case: Case) -> None:
    case = case._replace(rounded=True)
    assert_exact(run(case, write_padding=True, half=True), case)


@pytest.mark.parametrize("case", TILED, ids=str)
def test_tiles_of_six_pixels_bear_products_of_bfloat16(case: Case) -> None:
    # A tile's points are rounded, and a point can be much larger than the outputs it adds up to.
    for name, error in errors(run(case, pairs=2, half=True), case).items():
        assert error < (TOLERANCE if name == "by_bias" else 0.05), (name, error)


def test_operands_are_rounded_where_the_processor_multiplies_bfloat16() -> None:
    case = Case((8, 8), channels=32, features=32)
    for pairs in (0, 2):
        halved = errors(run(case, pairs=pairs, half=True), case)
        for name in ("output", "by_image", "by_kernel"):
            assert (halved[name] > 1e-3) == library.has_half(), (name, halved[name])
            assert halved[name] < 0.02, (name, halved[name])
        assert halved["by_bias"] < TOLERANCE


@pytest.mark.parametrize(("pairs", "write_padding"), [(0, False), (0, True), (2, False)])
def test_without_a_bias(pairs: int, write_padding: bool) -> None:
    case = Case((6, 5), channels=16, features=16)
    with_zeros = results(
        lambda i, k, b: conv(i, k, jnp.zeros_like(b), case, pairs, write_padding), case
    )
    none = results(
        lambda i, k, b: conv(i, k, jnp.zeros((0,), b.dtype), case, pairs, write_padding), case
    )
    for got, expected in zip(none[:3], with_zeros[:3], strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("pairs", [0, *PAIRS])
def test_what_is_not_finite_stays_within_its_tiles(pairs: int) -> None:
    place, size = 11, 24
    image = np.zeros((1, size, size, 16), np.float32)
    image[0, place, place] = np.inf
    case = Case((size, size), channels=16, features=16)
    output = conv(jnp.asarray(image), jnp.ones((3, 3, 16, 16)), jnp.zeros(16), case, pairs)
    touched = np.argwhere(~np.isfinite(np.asarray(output)).all((0, 3)))
    reach = 2 * pairs if pairs else 1  # of the outputs of a tile; of a window
    assert len(touched) > 9 if pairs else len(touched) == 9
    assert np.abs(touched - place).max() <= reach
