"""Convolutions with their results and gradients in float64, added up tap by tap by NumPy."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from wbc_jax.nn.windows import Pads, Pair

# Of the largest value; sums of thousands of float32 products stay below.
TOLERANCE = 3e-5


class Case(NamedTuple):
    """One convolution.

    `padding` is "SAME", "VALID", or pads of rows and of columns. `rounded` numbers are bfloat16's,
    so that rounding them once more changes nothing.
    """

    size: Pair
    kernel_size: Pair = (3, 3)
    strides: Pair = (1, 1)
    padding: str | Pads = "SAME"
    batch: int = 2
    channels: int = 3
    features: int = 4
    rounded: bool = False

    @property
    def pads(self) -> Pads:
        if not isinstance(self.padding, str):
            return self.padding
        rows, columns = lax.padtype_to_pads(self.size, self.kernel_size, self.strides, self.padding)
        return rows, columns

    @property
    def output_size(self) -> Pair:
        # A window for every place it fits in; not the function that is tested elsewhere.
        rows, columns = (
            len(range(0, size + sum(pad) - taps + 1, stride))
            for size, pad, taps, stride in zip(
                self.size, self.pads, self.kernel_size, self.strides, strict=True
            )
        )
        return rows, columns

    def __str__(self) -> str:
        def x(*numbers: int) -> str:
            return "x".join(map(str, numbers))

        padding = self.padding if isinstance(self.padding, str) else x(*sum(self.padding, ()))
        image = x(self.batch, *self.size, self.channels)
        kernel = x(*self.kernel_size, self.features)
        return f"{image}-{kernel}-{x(*self.strides)}-{padding}{'-rounded' * self.rounded}"


class Results(NamedTuple):
    """The output and, for a drawn gradient of it, the gradients by every argument."""

    output: Any
    by_image: Any
    by_kernel: Any
    by_bias: Any


class Problem(NamedTuple):
    """A case's arguments, the gradient of its output, and what comes of them in float64."""

    image: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    cotangent: np.ndarray
    expected: Results


# The cases every form must get right.
GEOMETRIES = [
    Case((1, 1)),
    Case((1, 2), (7, 7), (2, 2)),
    Case((2, 3), strides=(2, 2)),
    Case((7, 7), (7, 7), padding="VALID"),
    Case((6, 7), (1, 1), (2, 2)),
    Case((8, 9), strides=(2, 2)),
    Case((9, 8), padding="VALID"),
    Case((9, 11), (5, 5)),
    Case((14, 13), (5, 5), (2, 2), "VALID"),  # the last row is in no window
    Case((10, 8), strides=(3, 3), padding="VALID", features=33),  # nor the last column
    Case((13, 14), (7, 7), (2, 2)),
    Case((9, 10), (3, 5), (2, 1)),
    Case((8, 9), strides=(2, 2), padding=((0, 1), (1, 1))),
    Case((7, 6), (2, 3), (1, 2), ((2, 0), (0, 1))),
]
CHANNELS = [
    Case((5, 5), channels=1, features=1, batch=1),
    Case((5, 4), channels=1, features=33),
    Case((6, 6), channels=16, features=40),
    Case((3, 3), channels=48, features=31, batch=33),
    Case((9, 9), strides=(2, 2), channels=96, features=64, batch=32),
    Case((7, 7), (1, 1), channels=96, features=7, batch=3),
    Case((9, 8), padding="VALID", channels=16, features=40, batch=33),
    Case((2, 2), channels=512, features=48, batch=33),
    Case((2, 2), (1, 1), channels=512, features=512),
]


def draw(*shape: int, seed: int = 0, dtype: Any = np.float32) -> jax.Array:
    """Normal numbers."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


@cache
def problem(case: Case) -> Problem:
    """The same numbers for a case, whatever it is done by."""
    random = np.random.default_rng(len(str(case)))
    image = random.normal(size=(case.batch, *case.size, case.channels))
    kernel = random.normal(size=(*case.kernel_size, case.channels, case.features))
    bias = random.normal(size=case.features)
    cotangent = random.normal(size=(case.batch, *case.output_size, case.features))
    dtype = jnp.bfloat16 if case.rounded else np.float32
    drawn = [array.astype(dtype).astype(np.float32) for array in (image, kernel, bias, cotangent)]
    image, kernel, bias, cotangent = (array.astype(np.float64) for array in drawn)

    padded = np.pad(image, ((0, 0), *case.pads, (0, 0)))
    by_padded, by_kernel = np.zeros_like(padded), np.zeros_like(kernel)
    output = np.broadcast_to(bias, cotangent.shape).copy()
    (height, width), (step_y, step_x) = case.output_size, case.strides
    for y in range(case.kernel_size[0]):
        for x in range(case.kernel_size[1]):
            read = (
                slice(None),
                slice(y, y + (height - 1) * step_y + 1, step_y),
                slice(x, x + (width - 1) * step_x + 1, step_x),
            )
            output += padded[read] @ kernel[y, x]
            by_padded[read] += cotangent @ kernel[y, x].T
            by_kernel[y, x] = np.tensordot(padded[read], cotangent, ((0, 1, 2), (0, 1, 2)))
    (top, _), (left, _) = case.pads
    by_image = by_padded[:, top : top + case.size[0], left : left + case.size[1]]
    by_bias = cotangent.sum((0, 1, 2))
    return Problem(*drawn, Results(output, by_image, by_kernel, by_bias))


def results(conv: Callable[[jax.Array, jax.Array, jax.Array], jax.Array], case: Case) -> Results:
    """What a function of image, kernel and bias makes of a case, in one program."""
    *arguments, cotangent, _ = problem(case)

    @jax.jit
    def run(arguments: list[Any], cotangent: Any) -> Results:
        output, pull = jax.vjp(conv, *arguments)
        return Results(output, *pull(cotangent.astype(output.dtype)))

    return run(list(map(jnp.asarray, arguments)), jnp.asarray(cotangent))


def errors(got: Results, case: Case) -> dict[str, float]:
    """The largest error of each result, of its largest value."""
    found = {}
    for name, ours, exact in zip(Results._fields, got, problem(case).expected, strict=True):
        assert ours.shape == exact.shape, name
        found[name] = float(np.abs(np.float64(ours) - exact).max() / np.abs(exact).max())
    return found


def assert_exact(got: Results, case: Case, tolerance: float = TOLERANCE) -> None:
    """Every result is float64's but for rounding."""
    for name, error in errors(got, case).items():
        assert error < tolerance, (name, error)
