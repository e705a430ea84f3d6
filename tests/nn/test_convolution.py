"""Our convolutions are XLA's: forward, both gradients, in a loop, and on every backend's branch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from wbc_jax.nn import Conv
from wbc_jax.nn.convolution import conv2d
from wbc_jax.nn.xla_convolution import conv_as_matmul, conv_canonical, output_size

DIMENSIONS = ("NHWC", "HWIO", "NHWC")

# Image, kernel, strides, padding.
CASES = [
    ((1, 1), (3, 3), (1, 1), "SAME"),
    ((1, 2), (7, 7), (2, 2), "SAME"),
    ((2, 3), (3, 3), (2, 2), "SAME"),
    ((7, 7), (7, 7), (1, 1), "VALID"),
    ((6, 7), (1, 1), (2, 2), "SAME"),
    ((8, 9), (3, 3), (2, 2), "SAME"),
    ((9, 8), (3, 3), (1, 1), "VALID"),
    ((9, 11), (5, 5), (1, 1), "SAME"),
    ((14, 13), (5, 5), (2, 2), "VALID"),  # the last row is in no window
    ((13, 14), (7, 7), (2, 2), "SAME"),
    ((9, 10), (3, 5), (2, 1), "SAME"),
]

Function = Callable[[jax.Array, jax.Array], jax.Array]


def draw(*shape: int, seed: int = 0, dtype: Any = np.float32) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def value_and_gradients(function: Function, image: jax.Array, kernel: jax.Array) -> list[Any]:
    """The output and the gradients by image and by kernel, for a random gradient of the output."""
    output, pull = jax.vjp(function, image, kernel)
    cotangent = draw(*output.shape, seed=9, dtype=output.dtype)
    return [output, *pull(cotangent)]


def assert_same(ours: Function, reference: Function, image: jax.Array, kernel: jax.Array) -> None:
    @jax.jit
    def both(image: jax.Array, kernel: jax.Array) -> tuple[list[Any], list[Any]]:
        return (
            value_and_gradients(ours, image, kernel),
            value_and_gradients(reference, image, kernel),
        )

    for got, expected in zip(*both(image, kernel), strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def lax_conv(strides: tuple[int, int], padding: Any) -> Function:
    return lambda image, kernel: lax.conv_general_dilated(
        image, kernel, strides, padding, dimension_numbers=DIMENSIONS
    )


@pytest.mark.parametrize(("size", "kernel_size", "strides", "padding"), CASES)
def test_conv2d_and_its_gradients_are_those_of_lax(
    size: tuple[int, int], kernel_size: tuple[int, int], strides: tuple[int, int], padding: str
) -> None:
    assert_same(
        lambda image, kernel: conv2d(image, kernel, strides=strides, padding=padding),
        lax_conv(strides, padding),
        draw(2, *size, 3),
        draw(*kernel_size, 3, 4, seed=1),
    )


@pytest.mark.parametrize("lowering", [conv_as_matmul, conv_canonical])
@pytest.mark.parametrize(
    ("size", "kernel_size", "strides", "pads"),
    [
        ((8, 9), (3, 3), (2, 2), ((0, 1), (1, 1))),
        ((9, 10), (1, 1), (2, 2), ((0, 0), (0, 0))),
        ((7, 6), (2, 3), (1, 2), ((2, 0), (0, 1))),
    ],
)
def test_each_lowering_is_lax_with_explicit_pads(
    lowering: Any, size: Any, kernel_size: Any, strides: Any, pads: Any
) -> None:
    assert_same(
        lambda image, kernel: lowering(image, kernel, strides, pads),
        lax_conv(strides, pads),
        draw(2, *size, 3),
        draw(*kernel_size, 3, 4, seed=1),
    )


@pytest.mark.parametrize(("size", "strides"), [((9, 8), (2, 2)), ((2, 2), (1, 1))])
def test_in_a_loop_the_gradients_are_those_of_lax_outside(
    size: tuple[int, int], strides: tuple[int, int]
) -> None:
    images, kernel = draw(3, 2, *size, 3), draw(3, 3, 3, 4, seed=1)

    def total(image: jax.Array, kernel: jax.Array, conv: Function) -> jax.Array:
        return jnp.sum(jnp.square(conv(image, kernel)))

    gradients = jax.grad(total, argnums=(0, 1))

    @jax.jit
    def in_a_loop(images: jax.Array, kernel: jax.Array) -> Any:
        def body(carry: jax.Array, image: jax.Array) -> tuple[jax.Array, jax.Array]:
            by_image, by_kernel = gradients(
                image, kernel, lambda i, k: conv2d(i, k, strides=strides)
            )
            return carry + by_kernel, by_image

        return lax.scan(body, jnp.zeros_like(kernel), images)

    by_kernel, by_images = in_a_loop(images, kernel)
    reference_gradients = jax.jit(partial(gradients, conv=lax_conv(strides, "SAME")))
    reference = [reference_gradients(image, kernel) for image in images]
    np.testing.assert_allclose(by_kernel, sum(r[1] for r in reference), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        by_images, jnp.stack([r[0] for r in reference]), rtol=1e-4, atol=1e-3
    )


def primitives(size: int, kernel_size: int, strides: int = 1) -> str:
    image, kernel = draw(1, size, size, 2), draw(kernel_size, kernel_size, 2, 3)
    return str(jax.make_jaxpr(lambda i, k: conv2d(i, k, strides=(strides, strides)))(image, kernel))


@pytest.mark.parametrize(("size", "kernel_size", "strides"), [(4, 3, 1), (25, 1, 1), (8, 5, 2)])
def test_on_the_cpu_small_maps_and_1x1_kernels_are_a_matrix_product(
    size: int, kernel_size: int, strides: int
) -> None:
    jaxpr = primitives(size, kernel_size, strides)
    assert "dot_general" in jaxpr
    assert "conv_general_dilated" not in jaxpr


def test_on_the_cpu_large_maps_are_the_canonical_convolution() -> None:
    jaxpr = primitives(size=5, kernel_size=3)
    assert "custom_vjp" in jaxpr
    assert "dot_general" not in jaxpr


@pytest.mark.parametrize(("size", "kernel_size"), [(2, 3), (9, 1), (9, 3)])
def test_other_backends_get_laxs_own_convolution(
    monkeypatch: pytest.MonkeyPatch, size: int, kernel_size: int
) -> None:
    image, kernel = draw(1, size, size, 2), draw(kernel_size, kernel_size, 2, 3, seed=1)
    on_cpu = conv2d(image, kernel, strides=(2, 2))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    jaxpr = primitives(size, kernel_size)
    assert "conv_general_dilated" in jaxpr
    assert "custom_vjp" not in jaxpr
    np.testing.assert_allclose(conv2d(image, kernel, strides=(2, 2)), on_cpu, rtol=1e-4, atol=1e-5)


def test_bfloat16_stays_bfloat16_and_near_float32() -> None:
    image, kernel = draw(2, 8, 8, 4), draw(3, 3, 4, 5, seed=1)
    run = jax.jit(partial(value_and_gradients, conv2d))
    low = run(image.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
    full = run(image, kernel)
    for got, expected in zip(low, full, strict=True):
        assert got.dtype == jnp.bfloat16
        # bfloat16 keeps 8 bits: sums of tens of products are off by up to a few per cent.
        np.testing.assert_allclose(
            got.astype(np.float32), expected, atol=0.05 * float(jnp.abs(expected).max())
        )


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(
    ("size", "kernel_size", "strides", "padding"),
    [
        ((10, 9), (5, 5), (2, 2), "VALID"),
        ((1, 1), (3, 3), (1, 1), "SAME"),
    ],
)
def test_the_layer_has_linens_parameters_and_results(
    size: Any, kernel_size: Any, strides: Any, padding: str, use_bias: bool
) -> None:
    image = draw(2, *size, 3)
    fields: dict[str, Any] = {"strides": strides, "padding": padding, "use_bias": use_bias}
    ours, linen = Conv(4, kernel_size, **fields), nn.Conv(4, kernel_size, **fields)
    variables = linen.init(jax.random.key(0), image)
    if use_bias:
        variables["params"]["bias"] = draw(4, seed=5)
    shapes = jax.tree.map(jnp.shape, jax.eval_shape(ours.init, jax.random.key(0), image))
    assert shapes == jax.tree.map(jnp.shape, variables)

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


def test_the_layer_computes_in_its_dtype_and_keeps_float32_parameters() -> None:
    image = draw(2, 6, 6, 3)
    output, variables = Conv(4, (3, 3), dtype=jnp.bfloat16).init_with_output(
        jax.random.key(0), image
    )
    assert output.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_the_kernel_starts_with_hes_deviation_and_the_bias_at_zero() -> None:
    params = Conv(64, (3, 3)).init(jax.random.key(0), jnp.zeros((1, 5, 5, 32)))["params"]
    np.testing.assert_allclose(params["kernel"].std(), np.sqrt(2 / (9 * 32)), rtol=0.03)
    np.testing.assert_array_equal(params["bias"], 0)


@pytest.mark.parametrize(("size", "kernel_size", "strides", "padding"), CASES)
def test_output_size_is_that_of_lax(
    size: Any, kernel_size: Any, strides: Any, padding: str
) -> None:
    vertical, horizontal = lax.padtype_to_pads(size, kernel_size, strides, padding)
    shape = jax.eval_shape(
        lax_conv(strides, padding), jnp.zeros((1, *size, 1)), jnp.zeros((*kernel_size, 1, 1))
    ).shape
    assert output_size(size, kernel_size, strides, (vertical, horizontal)) == shape[1:3]
