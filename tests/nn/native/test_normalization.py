"""Batch norm in C against its formulas in float64, and what it does with what is no number."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.nn.native.normalization import batch_norm_native, batch_norm_pool_native

pytestmark = pytest.mark.usefixtures("native")

EPSILON = 1e-5


def arguments(*shape: int, residual: bool) -> tuple[np.ndarray, ...]:
    """Image, scale, bias and residual, which is empty where there is to be none."""
    random = np.random.default_rng(len(shape) + shape[-1])
    image = random.normal(3.0, 2.0, shape)
    scale, bias = random.uniform(0.5, 2.0, shape[-1]), random.normal(size=shape[-1])
    added = random.normal(size=shape if residual else (0,))
    return tuple(array.astype(np.float32) for array in (image, scale, bias, added))


def in_float64(
    image: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    residual: np.ndarray,
    cotangent: np.ndarray,
    relu: bool,
) -> list[np.ndarray]:
    """Output, mean, variance, and the gradients by the four arguments."""
    image, scale, bias, residual, cotangent = (
        array.astype(np.float64) for array in (image, scale, bias, residual, cotangent)
    )
    axes = tuple(range(image.ndim - 1))
    mean, var = image.mean(axes), image.var(axes)
    normal = (image - mean) / np.sqrt(var + EPSILON)
    output = normal * scale + bias + (residual if residual.size else 0)
    passed = cotangent * (output > 0) if relu else cotangent
    by_normal = passed * scale
    along = normal * (by_normal * normal).mean(axes)
    by_image = (by_normal - by_normal.mean(axes) - along) / np.sqrt(var + EPSILON)
    by_scale, by_bias = (passed * normal).sum(axes), passed.sum(axes)
    by_residual = passed if residual.size else residual
    output = np.maximum(output, 0) if relu else output
    return [output, mean, var, by_image, by_scale, by_bias, by_residual]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(
    "shape", [(3, 16), (33, 80), (1, 5, 4, 48), (3, 7, 5, 64), (2, 3, 1, 2, 16), (5, 20, 20, 144)]
)
def test_the_formulas(shape: tuple[int, ...], relu: bool, residual: bool) -> None:
    drawn = arguments(*shape, residual=residual)
    cotangent = np.random.default_rng(1).normal(size=shape).astype(np.float32)

    @jax.jit
    def run(*drawn: jax.Array) -> Any:
        results, pull = jax.vjp(lambda *a: batch_norm_native(*a, EPSILON, relu), *drawn)
        # The statistics are for running averages: what is asked of them changes no gradient.
        return (*results, *pull((jnp.asarray(cotangent), results[1] + 1, results[2] + 1)))

    expected = in_float64(*drawn, cotangent, relu)
    for index, (got, exact) in enumerate(zip(run(*drawn), expected, strict=True)):
        assert got.shape == exact.shape
        error = np.abs(got - exact).max(initial=0) / np.abs(exact).max(initial=1e-9)
        assert error < 1e-5, (index, error)


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((3, 6, 4, 16), (2, 2)),
        ((2, 5, 7, 80), (2, 2)),
        ((5, 1, 1, 16), (2, 2)),
        ((3, 7, 8, 48), (3, 2)),
        ((4, 5, 1, 32), (1, 2)),
    ],
)
def test_with_a_pooling_in_the_same_pass(shape: tuple[int, ...], window: tuple[int, int]) -> None:
    image, scale, bias, _ = arguments(*shape, residual=False)
    image = np.round(image)  # equal values in a window: the first has the gradient
    pads = [(0, -size % extent) for size, extent in zip(shape[1:3], window, strict=True)]
    blocks = [-(-size // extent) for size, extent in zip(shape[1:3], window, strict=True)]
    cotangent = np.random.default_rng(1).normal(size=(shape[0], *blocks, shape[-1]))

    @jax.jit
    def run(*drawn: jax.Array) -> Any:
        results, pull = jax.vjp(lambda *a: batch_norm_pool_native(*a, EPSILON, window), *drawn)
        zero = jnp.zeros(shape[-1])
        return (*results, *pull((jnp.asarray(cotangent, jnp.float32), zero, zero)))

    # Windows side by side, as two axes: [image, block, row of a block, block, column, channel].
    normal = in_float64(image, scale, bias, np.zeros(0), np.zeros(shape), True)[0]
    padded = np.pad(normal, ((0, 0), *pads, (0, 0)), constant_values=-1)
    windows = padded.reshape(shape[0], blocks[0], window[0], blocks[1], window[1], shape[-1])
    windows = windows.transpose(0, 1, 3, 5, 2, 4).reshape(*cotangent.shape, -1)
    first = np.arange(windows.shape[-1]) == windows.argmax(-1)[..., None]
    by_window = (first * cotangent[..., None]).reshape(*cotangent.shape, *window)
    by_output = by_window.transpose(0, 1, 4, 2, 5, 3).reshape(padded.shape)
    by_output = by_output[:, : shape[1], : shape[2]]
    _, mean, var, *gradients, _ = in_float64(image, scale, bias, np.zeros(0), by_output, True)
    expected = [windows.max(-1), mean, var, *gradients]
    for index, (got, exact) in enumerate(zip(run(image, scale, bias), expected, strict=True)):
        assert got.shape == exact.shape
        error = np.abs(got - exact).max() / max(np.abs(exact).max(), 1e-9)
        assert error < 1e-5, (index, error)


def test_a_pooling_in_the_same_pass_hides_nothing() -> None:
    image, scale, bias, _ = arguments(2, 4, 4, 32, residual=False)
    image[1, 0, 1, 5] = np.nan
    drawn = tuple(map(jnp.asarray, (image, scale, bias)))
    output, mean, var = batch_norm_pool_native(*drawn, EPSILON, (2, 2))
    for result in (output, mean, var):
        assert np.isnan(result[..., 5]).all()
        assert not np.isnan(np.delete(result, 5, axis=-1)).any()


def test_what_is_no_number_is_passed_on() -> None:
    image, scale, bias, residual = arguments(4, 3, 3, 32, residual=True)
    image[1, 2, 0, 5] = np.nan
    residual[2, 0, 1, 20] = np.nan
    drawn = tuple(map(jnp.asarray, (image, scale, bias, residual)))
    output, mean, var = batch_norm_native(*drawn, EPSILON, True)
    # A channel shares its statistics; of the other channels only the residual's place is lost.
    lost = np.isnan(output)
    assert lost[..., 5].all()
    assert lost[2, 0, 1, 20]
    assert lost.sum() == lost[..., 5].size + 1
    assert np.flatnonzero(np.isnan(mean)).tolist() == [5]
    assert np.flatnonzero(np.isnan(var)).tolist() == [5]

    gradients = jax.grad(lambda *a: batch_norm_native(*a, EPSILON, True)[0].sum(), (0, 1))(*drawn)
    for gradient in gradients:
        assert np.isnan(gradient[..., 5]).all()
        assert not np.isnan(np.delete(gradient, 5, axis=-1)).any()


@pytest.mark.parametrize(("ratio", "least", "most"), [(1, 1e-6, 1e-4), (10, 1e-4, 4e-3)])
def test_the_variance_is_as_exact_as_mean_over_deviation_lets_it(
    ratio: int, least: float, most: float
) -> None:
    drawn = np.random.default_rng(0).normal(ratio, 1.0, (3, 224, 224, 16))
    image, channels = jnp.asarray(drawn, jnp.float32), jnp.ones(16)
    _, _, var = batch_norm_native(image, channels, channels, jnp.zeros(0), EPSILON, False)
    exact = np.asarray(image, np.float64).var((0, 1, 2))
    error = np.abs(var / exact - 1).max()
    assert least < error < most  # docstring of BatchNorm: 2e-5 and 7e-4


def test_channels_that_do_not_vary_become_the_bias() -> None:
    image, bias = jnp.full((4, 3, 3, 16), 7.0), jnp.arange(16.0)
    none = jnp.zeros(0)
    output, mean, var = batch_norm_native(image, 1 + bias, bias, none, EPSILON, False)
    np.testing.assert_allclose(output, np.broadcast_to(bias, image.shape), atol=0.02)
    np.testing.assert_array_equal(mean, 7)
    assert (np.asarray(var) >= 0).all()
    gradient = jax.grad(lambda x: batch_norm_native(x, bias, bias, none, EPSILON, False)[0].sum())
    assert np.isfinite(gradient(image)).all()


def test_at_zero_the_positive_part_passes_no_gradient() -> None:
    image, zero = jnp.asarray(arguments(2, 2, 2, 16, residual=False)[0]), jnp.zeros(16)
    output, pull = jax.vjp(
        lambda residual: batch_norm_native(image, zero, zero, residual, EPSILON, True)[0],
        jnp.zeros_like(image),
    )
    np.testing.assert_array_equal(output, 0)
    np.testing.assert_array_equal(pull(jnp.ones_like(output))[0], 0)
