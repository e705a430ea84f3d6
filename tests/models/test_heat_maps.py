"""The detector's network: its maps' shape, how it begins, and what it refuses."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.detector import get_config
from wbc_jax.errors import UserError
from wbc_jax.models import create_model
from wbc_jax.models.describe import list_layers
from wbc_jax.models.heat_maps import STRIDE, HeatMapNet, _double

TINY = {"stage_features": (4, 4, 8, 8), "stage_sizes": (1, 1, 1, 1)}


def maps(shape: tuple[int, ...] = (2, 24, 32, 3), **changes: Any) -> jax.Array:
    model = create_model("detector", num_classes=3, **TINY | changes)
    image = jax.random.normal(jax.random.key(0), shape)
    return model.init_with_output(jax.random.key(1), image)[0]


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_a_map_per_kind_at_a_quarter_of_the_resolution(norm: str) -> None:
    assert maps(norm=norm).shape == (2, 24 // STRIDE, 32 // STRIDE, 3)
    assert maps((1, 8, 8, 3), stage_sizes=(1, 2, 1, 1), num_up=2).shape == (1, 2, 2, 3)


def test_it_begins_by_seeing_hardly_a_cell() -> None:
    np.testing.assert_allclose(jax.nn.sigmoid(maps()), 0.01, atol=0.005)


def test_the_table_of_layers_misses_no_parameter() -> None:
    config = get_config()
    model = create_model(num_classes=3, **config.model.to_dict())
    shape = (*config.data.picture_size, 3)
    layers = list_layers(model, image_shape=shape)
    variables = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, *shape)))
    num_params = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert sum(layer.num_params for layer in layers) == num_params == 787_283
    assert layers[-1].multiply_adds == 60 * 80 * 64 * 3


def test_every_pixel_becomes_four() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_array_equal(_double(jnp.asarray(x)), x.repeat(2, axis=1).repeat(2, axis=2))


def test_a_map_sees_far_and_every_weight_has_an_effect() -> None:
    model = HeatMapNet(3, **TINY)
    image = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    variables = model.init(jax.random.key(1), image)

    def loss(params: Any, image: jax.Array) -> jax.Array:
        stats = variables["batch_stats"]
        maps, _ = model.apply(
            {"params": params, "batch_stats": stats}, image, train=True, mutable=["batch_stats"]
        )
        return jnp.square(maps).sum()

    gradients, reach = jax.grad(loss, argnums=(0, 1))(variables["params"], image)
    assert all(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradients))
    assert np.asarray(reach).any(axis=(0, 3)).all()


def test_what_is_seen_at_a_quarter_goes_past_the_coarser_stages() -> None:
    """Without what comes up from below, the maps still tell places apart."""
    model = HeatMapNet(3, **TINY)
    image = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    variables = model.init(jax.random.key(1), image)
    kernels = [
        path
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"])
        if leaf.shape[:2] == (1, 1) and "logits" not in jax.tree_util.keystr(path)
    ]
    assert len(kernels) == 1  # of the way up
    cut = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 0 * leaf if path in kernels else leaf, variables["params"]
    )
    maps = np.asarray(model.apply(variables | {"params": cut}, image))
    assert np.ptp(maps, axis=(1, 2)).max() > 0


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        ((1, 20, 32, 3), {}, "both sides must be multiples of 8"),
        ((1, 16, 16, 3), {"stage_sizes": (1, 1, 1)}, "one entry per stage each"),
        ((1, 16, 16, 3), {"stage_features": (4, 4), "stage_sizes": (1, 1)}, "three stages or more"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, ...], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        maps(shape, **changes)
