"""Which form a layer takes: by platform, dtype and shape."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from tests.nn.convolution_cases import Case
from wbc_jax.nn.lowering import (
    ConvLowering,
    lower_conv,
    native_serves,
    portable,
    winograd_pairs,
)
from wbc_jax.nn.native import library


def lower(case: Case, dtype: Any = jnp.float32) -> ConvLowering:
    image = jnp.zeros((case.batch, *case.size, case.channels))
    kernel = jnp.zeros((*case.kernel_size, case.channels, case.features))
    return lower_conv(image, kernel, dtype, case.strides, case.pads, case.output_size)


def pairs_of(case: Case) -> int:
    kernel_shape = (*case.kernel_size, case.channels, case.features)
    return winograd_pairs(kernel_shape, case.strides, case.pads, case.output_size)


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case((50, 50), channels=3, features=32), ConvLowering("native", write_padding=True)),
        (Case((50, 50), channels=8, features=32), ConvLowering("native", write_padding=True)),
        (Case((50, 50), channels=9, features=32), ConvLowering("native")),
        (Case((9, 9), padding="VALID"), ConvLowering("native")),
        (Case((9, 9), (3, 1), channels=3), ConvLowering("native")),  # none within a row
        (Case((13, 13), (1, 1), channels=256, features=64), ConvLowering("native")),
        (Case((25, 25), channels=64, features=64), ConvLowering("native", pairs=3)),
        (Case((13, 13), channels=64, features=128), ConvLowering("native", pairs=2)),
        (Case((2, 2), channels=512, features=512), ConvLowering("native")),
    ],
    ids=str,
)
def test_on_the_cpu_the_kernels_in_c_serve_every_shape(case: Case, expected: ConvLowering) -> None:
    assert lower(case) == expected


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    ("case", "pairs", "half"),
    [
        (Case((50, 50), channels=3, features=32), 0, True),
        (Case((13, 13), (1, 1), channels=256, features=64), 0, True),
        (Case((13, 13), channels=64, features=128), 2, True),
        # In float32 these have tiles of 8 pixels, which are too inexact for bfloat16 ...
        (Case((12, 12), channels=256, features=256), 2, True),
        (Case((50, 50), channels=64, features=64), 2, True),
        # ... but so few of them that float32 is no slower.
        (Case((6, 6), channels=512, features=512), 3, False),
    ],
    ids=str,
)
def test_bfloat16_is_for_direct_sums_and_tiles_of_six_pixels(
    case: Case, pairs: int, half: bool
) -> None:
    for dtype in (jnp.bfloat16, jnp.dtype("bfloat16")):
        kind, *found, is_half = lower(case, dtype)
        assert (kind, found[0], is_half) == ("native", pairs, half)


@pytest.mark.usefixtures("native")
def test_the_kernels_in_c_serve_no_other_dtype_and_no_empty_array() -> None:
    case = Case((9, 9), channels=16, features=16)
    assert lower(case).kind == "native"
    assert lower(case, jnp.float16).kind == "canonical"
    assert lower(case._replace(batch=0)).kind == "canonical"
    assert lower(case._replace(features=0)).kind == "canonical"
    assert lower(Case((2, 9), padding="VALID")).kind == "matmul"  # no window fits in
    assert native_serves(jnp.zeros((2, 5, 5, 32)))
    assert native_serves(jnp.zeros((2, 32)))
    assert not native_serves(jnp.zeros((2, 5, 5, 32), jnp.float16))
    assert not native_serves(jnp.zeros((0, 5, 5, 32)))
    assert not native_serves(jnp.zeros((2, 5, 5, 24)))
    assert not native_serves(jnp.zeros(32))


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    ("case", "kind"),
    [
        # What is read at once: all channels, those of a row of taps, features in the gradient.
        (Case((1, 1), (1, 1), batch=1, channels=16383, features=1), "native"),
        (Case((1, 1), (1, 1), batch=1, channels=16384, features=1), "matmul"),
        (Case((1, 5), (1, 4), batch=1, channels=4096, features=1), "matmul"),
        (Case((1, 1), (1, 1), batch=1, channels=1, features=16384), "matmul"),
    ],
    ids=str,
)
def test_a_tap_longer_than_the_row_of_zeros_is_left_to_xla(case: Case, kind: str) -> None:
    assert lower(case).kind == kind


@pytest.mark.usefixtures("without_native")
@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (Case((4, 4)), "matmul"),
        (Case((5, 4)), "canonical"),
        (Case((25, 25), (1, 1)), "matmul"),
        (Case((25, 25), (1, 1), strides=(2, 2)), "matmul"),
        (Case((25, 25), (1, 3)), "canonical"),
        (Case((8, 8), (5, 5), strides=(2, 2)), "matmul"),
    ],
    ids=str,
)
def test_without_them_small_maps_and_1x1_kernels_are_a_matrix_product(
    case: Case, kind: str
) -> None:
    assert lower(case) == ConvLowering(kind)
    assert not native_serves(jnp.zeros((2, 5, 5, 32)))


@pytest.mark.parametrize("size", [(2, 2), (25, 25)])
def test_other_platforms_keep_laxs_convolution(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(library, "is_available", lambda: True)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert lower(Case(size, channels=32, features=32)) == ConvLowering("lax")


@pytest.mark.parametrize(
    ("case", "pairs"),
    [
        # Those measured beside the choice, and the smallest map.
        (Case((50, 50), channels=64, features=64), 3),
        (Case((25, 25), channels=32, features=64), 3),
        (Case((13, 13), channels=64, features=128), 2),
        (Case((12, 12), channels=256, features=256), 3),
        (Case((25, 25), (5, 5), channels=32, features=96), 3),
        (Case((6, 6), channels=512, features=512), 3),
        (Case((4, 4), channels=256, features=256), 2),
        (Case((3, 3), channels=512, features=512), 0),
        (Case((3, 5), channels=16, features=16), 0),
        (Case((6, 6), padding="VALID", channels=16, features=16), 2),
        (Case((5, 6), padding="VALID", channels=16, features=16), 0),
        # What tiles are not made for.
        (Case((25, 25), (1, 1), channels=16, features=16), 0),
        (Case((25, 25), (7, 7), channels=16, features=16), 0),
        (Case((25, 25), (3, 5), channels=16, features=16), 0),
        (Case((25, 25), strides=(2, 2), channels=16, features=16), 0),
        (Case((25, 25), strides=(1, 2), channels=16, features=16), 0),
        (Case((25, 25), channels=24, features=16), 0),
        (Case((25, 25), channels=16, features=24), 0),
        (Case((25, 25), padding=((2, 2), (2, 2)), channels=16, features=16), 3),
        (Case((25, 25), padding=((3, 1), (1, 1)), channels=16, features=16), 0),
        (Case((25, 25), padding=((1, 1), (1, 3)), channels=16, features=16), 0),
    ],
    ids=str,
)
def test_the_tile_of_each_shape(case: Case, pairs: int) -> None:
    assert pairs_of(case) == pairs


@pytest.mark.usefixtures("native")
def test_a_portable_program_has_plain_operations_and_nothing_changes_after_it() -> None:
    case = Case((9, 9), channels=16, features=16)
    with portable():
        assert lower(case) == ConvLowering("lax")
        assert not native_serves(jnp.zeros((2, 5, 5, 32)))
    assert lower(case).kind == "native"
    assert native_serves(jnp.zeros((2, 5, 5, 32)))
