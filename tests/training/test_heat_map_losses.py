"""Losses of heat maps: against the formulas written out, and what must not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wbc_jax.training.heat_map_losses import (
    HEAT_MAP_LOSSES,
    HeatMaps,
    cross_entropy,
    focal,
    quality_focal,
)

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 2, (2, 4, 5, 3)).astype(np.float32)
MAPS = RANDOM.uniform(0, 0.9, LOGITS.shape).astype(np.float32)
MAPS[0, 1, 2, 0] = MAPS[0, 3, 3, 1] = MAPS[1, 0, 0, 2] = 1.0
ALL_KNOWN = jnp.ones((2, 3), bool)


def written_out(logits: np.ndarray, maps: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    at_centre = (1 - p) ** 2 * np.log(p)
    elsewhere = (1 - maps) ** 4 * p**2 * np.log(1 - p)
    cells = (maps == 1).sum(axis=(1, 2, 3))
    return -np.where(maps == 1, at_centre, elsewhere).sum(axis=(1, 2, 3)) / cells


def test_focal_is_the_published_formula() -> None:
    loss = focal(jnp.asarray(LOGITS), HeatMaps(jnp.asarray(MAPS), ALL_KNOWN))
    np.testing.assert_allclose(loss, written_out(LOGITS, MAPS), rtol=1e-5)


def test_quality_focal_is_the_published_formula() -> None:
    loss = quality_focal(jnp.asarray(LOGITS), HeatMaps(jnp.asarray(MAPS), ALL_KNOWN))
    p, y = 1 / (1 + np.exp(-LOGITS.astype(np.float64))), MAPS.astype(np.float64)
    values = -(np.abs(y - p) ** 2) * ((1 - y) * np.log(1 - p) + y * np.log(p))
    cells = (MAPS == 1).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(loss, values.sum(axis=(1, 2, 3)) / cells, rtol=1e-5)


def test_cross_entropy_is_zero_for_the_maps_themselves_and_above_elsewhere() -> None:
    maps = jnp.clip(jnp.asarray(MAPS), 1e-4, 1.0)
    exact = jnp.log(maps) - jnp.log1p(-jnp.minimum(maps, 1 - 1e-6))
    target = HeatMaps(maps, ALL_KNOWN)
    np.testing.assert_allclose(cross_entropy(exact, target), 0.0, atol=1e-3)
    assert (cross_entropy(exact + 0.5, target) > 0.1).all()


@pytest.mark.parametrize("name", HEAT_MAP_LOSSES)
def test_what_is_not_annotated_teaches_nothing(name: str) -> None:
    loss = HEAT_MAP_LOSSES[name]
    known = ALL_KNOWN.at[0, 0].set(False)
    target = HeatMaps(jnp.asarray(MAPS), known)
    gradient = jax.grad(lambda x: loss(x, target).sum())(jnp.asarray(LOGITS))
    assert not np.asarray(gradient[0, ..., 0]).any()
    assert np.asarray(gradient[1, ..., 0]).any()
    assert np.asarray(gradient[0, ..., 1]).any()
    # Nor do its cells count among those that the loss is divided by.
    without = target._replace(maps=target.maps.at[0, ..., 0].set(0.0))
    logits = jnp.asarray(LOGITS)
    np.testing.assert_allclose(loss(logits, target), loss(logits, without), rtol=1e-6)


@pytest.mark.parametrize("name", HEAT_MAP_LOSSES)
def test_certain_answers_and_empty_pictures_stay_finite(name: str) -> None:
    loss = HEAT_MAP_LOSSES[name]
    for logits in (LOGITS * 1e4, np.zeros_like(LOGITS)):
        for maps in (MAPS, np.zeros_like(MAPS)):
            target = HeatMaps(jnp.asarray(maps), ALL_KNOWN)
            value, gradient = jax.value_and_grad(lambda x, t=target: loss(x, t).sum())(
                jnp.asarray(logits)
            )
            assert np.isfinite(value)
            assert np.isfinite(np.asarray(gradient)).all()
