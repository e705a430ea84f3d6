"""`conv2d` and `Conv` are lax's and Linen's, whichever form they take."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.nn.convolution_cases import (
    TOLERANCE,
    Case,
    assert_exact,
    draw,
    errors,
    problem,
    results,
)
from wbc_jax.nn import Conv
from wbc_jax.nn.convolution import conv2d
from wbc_jax.nn.native import library

# One or two of every form: see test_lowering.py for which takes which. The kernels and XLA's forms
# have their own tests over many more.
CASES = [
    Case((8, 9), strides=(2, 2)),
    Case((9, 8), padding="VALID"),
    Case((14, 13), (5, 5), (2, 2), "VALID"),  # the last row is in no window
    Case((9, 10), (3, 5), (2, 1), batch=1),
    Case((7, 7), (1, 1), channels=48, features=33, batch=33),
    Case((2, 2), channels=512, features=16, batch=3),
    Case((13, 13), channels=16, features=48, batch=1),
    Case((12, 12), channels=16, features=32),
    Case((9, 9), (5, 5), padding="VALID", channels=16, features=16, batch=32),
]


def conv(
    image: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    case: Case,
    dtype: Any = jnp.float32,
) -> jax.Array:
    return conv2d(image, kernel, bias, strides=case.strides, padding=case.padding, dtype=dtype)


def primitives(case: Case) -> str:
    image = jnp.zeros((case.batch, *case.size, case.channels))
    kernel = jnp.zeros((*case.kernel_size, case.channels, case.features))
    return str(jax.make_jaxpr(lambda i, k: conv(i, k, None, case))(image, kernel))


@pytest.mark.parametrize(
    ("form", "case"),
    [("native", case) for case in CASES] + [("xla", case) for case in CASES[::3]],
    ids=str,
    indirect=["form"],
)
def test_conv2d_and_its_gradients(form: str, case: Case) -> None:
    assert ("ffi_call" in primitives(case)) == (form == "native")
    assert_exact(results(lambda *arrays: conv(*arrays, case), case), case)


@pytest.mark.parametrize(
    "case",
    [
        Case((2, 2), padding="VALID"),
        Case((2, 9), strides=(2, 2), padding="VALID", channels=16, features=16),
        Case((1, 1), (5, 5), padding="VALID"),
        Case((4, 4), features=0),
    ],
    ids=str,
)
def test_where_no_window_fits_in_the_output_is_empty_and_its_gradients_are_zero(
    case: Case, form: str
) -> None:
    image, bias = draw(case.batch, *case.size, case.channels), draw(case.features)
    kernel = draw(*case.kernel_size, case.channels, case.features)
    # What was there before is seen in memory that nobody writes.
    before = [np.full(kernel.shape, np.nan, np.float32) for _ in range(100)]
    del before
    output, pull = jax.vjp(lambda *arrays: conv(*arrays, case), image, kernel, bias)
    assert output.shape == (case.batch, *case.output_size, case.features)
    for gradient, array in zip(pull(output), (image, kernel, bias), strict=True):
        np.testing.assert_array_equal(gradient, jnp.zeros_like(array))


@pytest.mark.parametrize("case", [CASES[1], CASES[-2]], ids=str)
def test_without_a_bias_nothing_is_added(case: Case, form: str) -> None:
    with_zeros = results(lambda i, k, b: conv(i, k, 0 * b, case), case)
    none = results(lambda i, k, b: conv(i, k, None, case), case)
    for got, expected in zip(none[:3], with_zeros[:3], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("case", CASES[::4], ids=str)
def test_products_of_bfloat16_are_near_float64s(case: Case, form: str) -> None:
    got = results(lambda *arrays: conv(*arrays, case, jnp.bfloat16), case)
    # The kernels in C keep their sums, XLA rounds them: to the 8 bits of its result, and the bias's
    # gradient after every addition.
    assert got.output.dtype == (jnp.float32 if form == "native" else jnp.bfloat16)
    assert {gradient.dtype for gradient in got[1:]} == {jnp.dtype(jnp.float32)}
    for name, error in errors(got, case).items():
        assert error < (0.1 if name == "by_bias" else 0.05), (name, error)
    # Sums this short are no faster in bfloat16.
    assert errors(got, case)["output"] > 1e-4 or case.channels < 16


@pytest.mark.usefixtures("native")
def test_operands_are_rounded_even_where_the_processor_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case((9, 8), channels=3, features=16)
    monkeypatch.setattr(library, "has_half", lambda: False)
    jaxpr = str(
        jax.make_jaxpr(lambda i, k: conv(i, k, None, case, jnp.bfloat16))(*problem(case)[:2])
    )
    assert jaxpr.count("new_dtype=bfloat16") == 2
    output = conv(*map(jnp.asarray, problem(case)[:3]), case, jnp.bfloat16)
    error = np.abs(output - problem(case).expected.output).max()
    assert 1e-4 < error / np.abs(output).max() < 0.01


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_arguments_of_another_dtype_are_converted(dtype: Any, form: str) -> None:
    case = Case((9, 8), channels=16, features=16, rounded=True)
    image, kernel, bias = (jnp.asarray(array, dtype) for array in problem(case)[:3])
    output = conv(image, kernel, bias, case)
    assert output.dtype == jnp.float32
    error = np.abs(output - problem(case).expected.output).max() / np.abs(output).max()
    assert error < TOLERANCE


@pytest.mark.parametrize("case", [Case((2, 2), strides=(2, 2)), Case((9, 9))], ids=str)
def test_other_platforms_get_laxs_own_convolution(
    monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    jaxpr = primitives(case)
    assert "conv_general_dilated" in jaxpr
    assert "custom_vjp" not in jaxpr
    assert_exact(results(lambda *arrays: conv(*arrays, case), case), case)


@pytest.mark.parametrize(
    ("size", "kernel_size", "strides", "padding", "use_bias"),
    [
        ((10, 9), (5, 5), (2, 2), "VALID", True),
        ((1, 1), (3, 3), (1, 1), "SAME", False),
    ],
)
def test_the_layer_has_linens_parameters_and_results(
    size: Any, kernel_size: Any, strides: Any, padding: str, use_bias: bool, form: str
) -> None:
    image = draw(2, *size, 3)
    fields: dict[str, Any] = {"strides": strides, "padding": padding, "use_bias": use_bias}
    ours, linen = Conv(4, kernel_size, **fields), nn.Conv(4, kernel_size, **fields)
    abstract = jax.eval_shape(linen.init, jax.random.key(0), image)
    shapes = jax.tree.map(jnp.shape, jax.eval_shape(ours.init, jax.random.key(0), image))
    assert shapes == jax.tree.map(jnp.shape, abstract)
    variables = jax.tree.map(lambda leaf: draw(*leaf.shape, seed=5), abstract)

    def total(layer: nn.Module, variables: Any, image: jax.Array) -> Any:
        output: Any = layer.apply(variables, image)
        return jnp.sum(jnp.sin(output)), output

    @jax.jit
    def both(variables: Any, image: jax.Array) -> Any:
        return [
            jax.value_and_grad(total, argnums=(1, 2), has_aux=True)(layer, variables, image)
            for layer in (ours, linen)
        ]

    got, expected = both(variables, image)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, expected)


def test_the_layer_multiplies_in_its_dtype_and_keeps_float32_parameters(form: str) -> None:
    image = draw(2, 8, 8, 16)
    layer = Conv(16, (3, 3), dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), image)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    output = layer.apply(variables, image)
    assert output.dtype == (jnp.float32 if form == "native" else jnp.bfloat16)
    exact = Conv(16, (3, 3)).apply(variables, image)
    error = float(jnp.abs(output - exact).max() / jnp.abs(exact).max())
    assert 1e-4 < error < 0.02


def test_the_kernel_starts_with_hes_deviation_and_the_bias_at_zero() -> None:
    params = Conv(64, (3, 3)).init(jax.random.key(0), jnp.zeros((1, 5, 5, 32)))["params"]
    np.testing.assert_allclose(params["kernel"].std(), np.sqrt(2 / (9 * 32)), rtol=0.03)
    np.testing.assert_array_equal(params["bias"], 0)
