"""Both forms for XLA's CPU compiler against float64 sums, and these against XLA itself."""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.nn.convolution_cases import (
    CHANNELS,
    GEOMETRIES,
    Case,
    Results,
    assert_exact,
    draw,
    results,
)
from wbc_jax.nn.windows import output_size
from wbc_jax.nn.xla_convolution import conv_as_matmul, conv_canonical


def lax_conv(image: jax.Array, kernel: jax.Array, case: Case) -> jax.Array:
    return lax.conv_general_dilated(
        image, kernel, case.strides, case.padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def run(form: Any, case: Case) -> Results:
    return results(lambda i, k, b: form(i, k, case.strides, case.pads) + b, case)


@pytest.mark.parametrize("case", [*GEOMETRIES, *CHANNELS[::2]], ids=str)
def test_the_canonical_form_and_its_gradients(case: Case) -> None:
    assert_exact(run(conv_canonical, case), case)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in [*GEOMETRIES, *CHANNELS[4:], Case((9, 8), strides=(2, 2), padding="VALID")]
        if prod(case.output_size) <= 16 or case.kernel_size == (1, 1)  # as it is chosen
    ],
    ids=str,
)
def test_the_matrix_product_and_its_gradients(case: Case) -> None:
    assert_exact(run(conv_as_matmul, case), case)


@pytest.mark.parametrize("case", GEOMETRIES[::2], ids=str)
def test_the_sums_in_float64_are_what_lax_computes(case: Case) -> None:
    assert_exact(results(lambda i, k, b: lax_conv(i, k, case) + b, case), case)


@pytest.mark.parametrize(
    "case",
    [
        *GEOMETRIES,
        Case((2, 4), padding="VALID"),
        Case((1, 1), (5, 5), padding="VALID"),
        Case((2, 1), (7, 7), strides=(3, 2), padding="VALID"),
    ],
    ids=str,
)
def test_output_size_is_that_of_lax(case: Case) -> None:
    image, kernel = jnp.zeros((1, *case.size, 1)), jnp.zeros((*case.kernel_size, 1, 1))
    shape = jax.eval_shape(lambda: lax_conv(image, kernel, case)).shape
    assert output_size(case.size, case.kernel_size, case.strides, case.pads) == shape[1:3]


def test_in_a_loop_the_canonical_gradients_are_those_outside() -> None:
    case = Case((9, 8), strides=(2, 2))
    images, kernel = draw(3, 2, *case.size, 3), draw(3, 3, 3, 4, seed=1)

    def gradients(conv: Any, image: jax.Array) -> Any:
        return jax.grad(lambda i, k: jnp.sum(jnp.square(conv(i, k))), (0, 1))(image, kernel)

    def canonical(image: jax.Array, kernel: jax.Array) -> jax.Array:
        return conv_canonical(image, kernel, case.strides, case.pads)

    in_a_loop = jax.jit(lambda images: lax.map(lambda i: gradients(canonical, i), images))(images)
    outside = jax.jit(lambda image: gradients(lambda i, k: lax_conv(i, k, case), image))
    for index, image in enumerate(images):
        for got, expected in zip(in_a_loop, outside(image), strict=True):
            np.testing.assert_allclose(got[index], expected, rtol=1e-4, atol=1e-3)
