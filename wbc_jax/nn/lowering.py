"""Which form a layer takes, by platform and shape: decided here and nowhere else.

Accelerators keep XLA's own operations. On the CPU the kernels in `native` are fastest; they serve
float32 arrays on one device, with float32 or bfloat16 as the operands of products. Where they
cannot be had (no compiler, several devices), XLA's operations are written in the form that its CPU
compiler is fastest at.

The kernels, and the form of large convolutions without them, have gradients of their own: `jax.jvp`
does not go through them, nor a convolution's gradient inside of `jax.shard_map`; a gradient of a
gradient goes with WBC_NATIVE=0 only. Within `portable()` and on accelerators all of these work.

Each choice stands beside the measurement it comes from: 32 images, two cores with AVX-512.
`python -m benchmarks.layers` makes them anew; docs/performance.md has them all.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from wbc_jax.nn.native import library
from wbc_jax.nn.windows import Pads, Pair


class ConvLowering(NamedTuple):
    """The form of one convolution.

    Attributes:
        kind: "lax" as JAX writes it; "canonical" and "matmul" for XLA's CPU compiler, in
            `xla_convolution`; "native" for the kernels in `native`.
        pairs: of "native": a Winograd tile of 2 * pairs + 2 pixels; 0 for the direct sum.
        write_padding: of "native": whether the padding is written to memory first.
        half: of "native": whether the operands of the products are rounded to bfloat16.
    """

    kind: Literal["lax", "canonical", "matmul", "native"]
    pairs: int = 0
    write_padding: bool = False
    half: bool = False


# Direct sum against Winograd tiles, forward, ms: 50x50x64 -> 64: 33 to 12.5; 12x12x256 -> 256: 27
# to 10; 13x13x64 -> 128: 4.7 to 2.8; 5x5 kernel, 25x25x32 -> 96: 19 to 6.7; 6x6x512 -> 512: 31 to
# 11; 4x4x256 -> 256: 2.5 to 1.5. On 3x3x512 -> 512 it is 5.3 to 6.0: most of a tile is padding.
_WINOGRAD_KERNELS = ((3, 3), (5, 5))
_WINOGRAD_MIN_POSITIONS = 16
# Tiles of 8 pixels need fewer products per output than those of 6 and more work in transforms.
# 50x50x64 -> 64 (0.85 of the products): 14.4 to 12.5 ms; 13x13x64 -> 128 (the same): 2.8 to 3.0.
_LARGE_TILE_COST = 1.1
# Products of bfloat16 take half the time; in tiles of 8 pixels they are too inexact (10 % of the
# largest value, 1 % in tiles of 6). 12x12x256 -> 256: 6.3 ms in tiles of 6, 10.2 in float32 tiles
# of 8; 6x6x512 -> 512: 12.1 and 10.9.
_LARGE_TILE_COST_HALF = 1.8
# With so few channels a tap is too short for a loop of its own; once the padding is written, the
# taps of one kernel row lie side by side. 50x50x3 -> 32, forward: 3.6 to 2.1 ms.
_SHORT_TAP_CHANNELS = 8
# XLA's own 3x3 on 512 channels runs at 2 GFLOP/s on a 2x2 map and 14 on a 1x1 map, the same sum as
# patches times one matrix at over 130. At 4x4 both are equal, above that patches lose: they are
# written to memory. A 1x1 kernel needs none: training 13x13x256 -> 128 takes half the time.
_MATMUL_MAX_POSITIONS = 16
# The kernels in `native` read whole registers of up to 16 channels,
_CHANNEL_MULTIPLE = 16
# and have a row of zeros of this length to stand for padding.
_MAX_CHANNELS = 16384


_DTYPES = (jnp.float32, jnp.bfloat16)
_IS_PORTABLE: ContextVar[bool] = ContextVar("portable", default=False)


@contextmanager
def portable() -> Iterator[None]:
    """Within it, layers are traced as XLA's own operations: a program for every platform."""
    token = _IS_PORTABLE.set(True)
    try:
        yield
    finally:
        _IS_PORTABLE.reset(token)


def takes_plain_operations() -> bool:
    """Whether layers are left as JAX writes them: on accelerators, and in portable programs."""
    return _IS_PORTABLE.get() or jax.default_backend() != "cpu"


def native_serves(image: Array) -> bool:
    """Whether batch norm and pooling of this array are done by the kernels in `native`.

    XLA's max pooling takes 67 ms for the gradient on 32x50x50x64. Batch norm, ReLU and pooling of
    the CNN, both ways: 15 ms of a step written for XLA, 5 by the kernels.
    """
    return (
        not takes_plain_operations()
        and image.ndim > 1
        and image.dtype == jnp.float32
        and image.shape[-1] % _CHANNEL_MULTIPLE == 0
        and image.size > 0
        and library.is_available()
    )


def lower_conv(
    image: Array, kernel: Array, dtype: Any, strides: Pair, pads: Pads, output_size: Pair
) -> ConvLowering:
    """Returns the form of a convolution.

    Args:
        image: [b, h, w, c].
        kernel: [kh, kw, c, f].
        dtype: of the operands of the products.
        strides: rows, columns.
        pads: before and after, of rows and of columns.
        output_size: rows, columns.
    """
    if takes_plain_operations():
        return ConvLowering("lax")
    deepest = max(prod(kernel.shape[1:3]), kernel.shape[3])
    # Where there is no output there are no tasks, and nobody would write the gradients' zeros.
    has_output = image.size and kernel.size and prod(output_size)
    if dtype in _DTYPES and has_output and deepest < _MAX_CHANNELS and library.is_available():
        half = dtype == jnp.bfloat16
        cost = _LARGE_TILE_COST_HALF if half else _LARGE_TILE_COST
        pairs = winograd_pairs(kernel.shape, strides, pads, output_size, cost)
        return ConvLowering(
            "native",
            pairs=pairs,
            write_padding=image.shape[-1] <= _SHORT_TAP_CHANNELS and any(pads[1]),
            half=half and pairs != 3,
        )
    if kernel.shape[:2] == (1, 1) or prod(output_size) <= _MATMUL_MAX_POSITIONS:
        return ConvLowering("matmul")
    return ConvLowering("canonical")


def winograd_pairs(
    kernel_shape: Sequence[int],
    strides: Pair,
    pads: Pads,
    output_size: Pair,
    large_tile_cost: float = _LARGE_TILE_COST,
) -> int:
    """Returns which Winograd tile a convolution is done in, as in `ConvLowering`."""
    taps, *channels = kernel_shape[0], *kernel_shape[2:]
    if (
        strides != (1, 1)
        or tuple(kernel_shape[:2]) not in _WINOGRAD_KERNELS
        or any(number % _CHANNEL_MULTIPLE for number in channels)
        or prod(output_size) < _WINOGRAD_MIN_POSITIONS
        or max(*pads[0], *pads[1]) >= taps
    ):
        return 0

    def products(pairs: int) -> int:
        side = 2 * pairs + 2
        return prod(-(-size // (side + 1 - taps)) * side for size in output_size)

    return 3 if large_tile_cost * products(3) < products(2) else 2
