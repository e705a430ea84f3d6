"""The kernels inside what JAX makes of functions: loops, vmap, checkpoint, jit and not."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.nn.convolution_cases import draw
from wbc_jax.nn.convolution import conv2d
from wbc_jax.nn.lowering import portable
from wbc_jax.nn.native.normalization import batch_norm_native
from wbc_jax.nn.pooling import max_pool

pytestmark = pytest.mark.usefixtures("native")

Layer = Callable[[jax.Array, jax.Array], jax.Array]

NUM_BATCHES = 3


def normalised(image: jax.Array, scale: jax.Array) -> jax.Array:
    residual = jnp.flip(image, axis=1)
    return batch_norm_native(image, scale, scale, residual, 1e-5, True)[0]


# A layer of images and weights, and the shape of the weights.
LAYERS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "direct": (lambda x, w: conv2d(x, w, w[0, 0, 0], strides=(2, 2)), (3, 3, 16, 24)),
    "tiles": (lambda x, w: conv2d(x, w, w[0, 0, 0]), (3, 3, 16, 32)),
    "norm": (normalised, (16,)),
    "pool": (lambda x, w: w * max_pool(x, window=(3, 3), strides=(2, 2)), (16,)),
}


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest) -> tuple[Layer, jax.Array, jax.Array]:
    """A layer, the images of some batches, weights."""
    function, shape = LAYERS[request.param]
    images, weights = draw(NUM_BATCHES, 2, 6, 7, 16), draw(*shape, seed=1)
    assert "ffi_call" in str(jax.make_jaxpr(function)(images[0], weights))
    return function, images, weights


def gradients(function: Layer, image: jax.Array, weights: jax.Array) -> Any:
    """A number and its gradients, of which none is the same at every place."""

    def total(image: jax.Array, weights: jax.Array) -> jax.Array:
        return jnp.square(jnp.sin(function(image, weights))).mean()

    return jax.value_and_grad(total, argnums=(0, 1))(image, weights)


def assert_same(got: Any, expected: Any) -> None:
    def same(a: jax.Array, b: jax.Array) -> None:
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * float(jnp.abs(b).max()))

    jax.tree.map(same, got, expected)


def one_by_one(function: Layer, images: jax.Array, weights: jax.Array) -> Any:
    """Without any transformation but the gradient, operation by operation."""
    results = [gradients(function, image, weights) for image in images]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)


def test_scan_vmap_and_checkpoint(layer: tuple[Layer, jax.Array, jax.Array]) -> None:
    function, images, weights = layer

    @jax.jit
    def transformed(images: jax.Array, weights: jax.Array) -> Any:
        checkpointed = jax.checkpoint(function)
        return (
            lax.map(lambda image: gradients(function, image, weights), images),
            jax.vmap(lambda image: gradients(function, image, weights))(images),
            lax.map(lambda image: gradients(checkpointed, image, weights), images),
        )

    expected = one_by_one(function, images, weights)
    for got in transformed(images, weights):
        assert_same(got, expected)


def test_descent_in_a_fori_loop(layer: tuple[Layer, jax.Array, jax.Array]) -> None:
    function, images, weights = layer

    def descend(index: Any, weights: jax.Array) -> jax.Array:
        return weights - 0.5 * gradients(function, images[index], weights)[1][1]

    expected = weights
    for index in range(NUM_BATCHES):
        expected = descend(index, expected)
    assert float(jnp.abs(expected - weights).max()) > 1e-3
    assert_same(jax.jit(lambda w: lax.fori_loop(0, NUM_BATCHES, descend, w))(weights), expected)


def test_vmap_over_the_weights_too(layer: tuple[Layer, jax.Array, jax.Array]) -> None:
    function, images, weights = layer
    several = jnp.stack([weights * (index + 1) for index in range(NUM_BATCHES)])
    got = jax.jit(jax.vmap(function))(images, several)
    for index, output in enumerate(got):
        assert_same(output, function(images[index], several[index]))


def test_two_calls_agree_bit_by_bit(layer: tuple[Layer, jax.Array, jax.Array]) -> None:
    function, images, weights = layer
    run = jax.jit(lambda image, weights: gradients(function, image, weights))
    first, second = run(images[0], weights), run(images[0], weights)
    jax.tree.map(np.testing.assert_array_equal, first, second)


def second(function: Layer, image: jax.Array, weights: jax.Array) -> Any:
    def slope(image: jax.Array) -> jax.Array:
        return jax.grad(lambda x: jnp.square(function(x, weights)).mean())(image).sum()

    return jax.grad(slope)(image)


def forward(function: Layer, image: jax.Array, weights: jax.Array) -> Any:
    return jax.jvp(lambda x: function(x, weights), (image,), (image,))


def sharded(function: Layer, image: jax.Array, weights: jax.Array) -> Any:
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
    images, copied = jax.sharding.PartitionSpec("data"), jax.sharding.PartitionSpec()

    def part(image: jax.Array, weights: jax.Array) -> jax.Array:
        gradient = jax.grad(lambda w: jnp.square(function(image, w)).mean())(weights)
        return lax.psum(gradient, "data")

    run = jax.shard_map(part, mesh=mesh, in_specs=(images, copied), out_specs=copied)
    return jax.jit(run)(image, weights)


@pytest.mark.parametrize("transformation", [second, forward, sharded])
def test_what_the_kernels_cannot_do_a_portable_program_can(transformation: Any) -> None:
    image, weights = draw(2, 6, 7, 16), draw(3, 3, 16, 32, seed=1)
    with pytest.raises((TypeError, ValueError)):
        transformation(conv2d, image, weights)
    with portable():
        found = transformation(conv2d, image, weights)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(found))


def test_without_the_kernels_gradients_have_gradients(without_native: None) -> None:
    image, weights = draw(2, 6, 7, 16), draw(3, 3, 16, 32, seed=1)
    found = second(conv2d, image, weights)
    with portable():
        assert_same(found, second(conv2d, image, weights))
