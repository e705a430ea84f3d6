"""The task of finding cells: one heat map per kind, a hill on every cell.

task = plan_detection(config)(data)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32
from ml_collections import ConfigDict

from wbc_jax.data.annotated import picture_settings
from wbc_jax.data.augmentation import Augmentation
from wbc_jax.data.bands import band_statistics, make_to_input
from wbc_jax.data.examples import Examples
from wbc_jax.data.load import Data
from wbc_jax.errors import UserError, require_choice
from wbc_jax.evaluation.detection_scores import mean_figures
from wbc_jax.models.heat_maps import STRIDE
from wbc_jax.models.registry import DETECTORS, create_model
from wbc_jax.seeds.heat_maps import SeedReader, draw_heat_maps, mean_of_maps
from wbc_jax.seeds.matching import cells_of_pictures
from wbc_jax.seeds.seed_points import KINDS
from wbc_jax.training.heat_map_losses import HEAT_MAP_LOSSES, HeatMapLoss, HeatMaps
from wbc_jax.training.task import Plan, Task
from wbc_jax.training.train_state import TrainState
from wbc_jax.training.train_step import Batch, Fed, Feed, Keys

_RED = KINDS.index("RBC")
BANDS = "rgb"
_WIDEST = 10.0  # hills wider than that are one plain


def plan_detection(config: ConfigDict) -> Plan:
    """Returns what builds the task once the pictures are there.

    Raises:
        UserError: a field has a value that cannot work.
    """
    require_choice("model.name", config.model.name, DETECTORS)
    loss = HEAT_MAP_LOSSES[require_choice("train.loss", config.train.loss, HEAT_MAP_LOSSES)]
    augment = Augmentation(**config.augment.to_dict())
    reader = seed_reader(config)
    size = picture_settings(config.data.picture_size)
    spread = config.detection.spread
    if not 0 < spread <= _WIDEST:
        raise UserError(
            f"detection.spread={spread} must be above 0 and at most {_WIDEST}: the hill's standard "
            "deviation in units of half the cell's shorter side; 0.3 is usual"
        )

    model = create_model(num_classes=len(KINDS), **config.model.to_dict())

    def targets(cells: Float[Array, "b m 5"]) -> HeatMaps:
        maps = draw_heat_maps(
            cells,
            size=(size.height // STRIDE, size.width // STRIDE),
            stride=STRIDE,
            spread=spread,
        )
        return HeatMaps(maps, known_kinds(cells))

    def build(data: Data) -> Task:
        statistics = band_statistics(data.partition.train.image, BANDS)
        to_input = make_to_input(BANDS, statistics)
        return Task(
            name="detection",
            model=model,
            image_shape=(size.height, size.width, 3),
            statistics=statistics,
            to_input=to_input,
            shares=None,
            on_devices=_image_and_cells,
            feed=_make_feed(loss, to_input, augment, targets),
            metrics=(config.train.loss,),
            example_metrics=lambda logits, target: {config.train.loss: loss(logits, target)},
            mean_metrics=_make_mean_metrics(config.train.loss, loss, targets, reader),
            in_words={f"f1_{kind}": f"{kind} F1" for kind in KINDS},
            merge_views=mean_of_maps,
        )

    return build


def seed_reader(config: ConfigDict) -> SeedReader:
    """Returns how seeds are read out of maps.

    Raises:
        UserError: a field has a value that cannot work.
    """
    for name, most in (("thresholds", 1.0), ("apart", 1000.0)):
        values = config.detection[name]
        if len(values) != len(KINDS) or not all(
            isinstance(value, float | int) and 0 < value < most for value in values
        ):
            raise UserError(
                f"detection.{name}={values} must be one number for each of {', '.join(KINDS)}, "
                f"above 0 and below {most:g}"
            )
    return SeedReader(STRIDE, tuple(config.detection.thresholds), tuple(config.detection.apart))


def known_kinds(cells: Float[Array, "b m 5"]) -> Array:
    """Returns which kinds are annotated in each picture.

    A smear without red cells does not exist: where none is annotated, nobody has done it.
    """
    has_red = (cells[..., 4] == _RED).any(axis=1)
    return jnp.ones((len(cells), len(KINDS)), bool).at[:, _RED].set(has_red)


def _image_and_cells(examples: Examples) -> dict[str, np.ndarray]:
    assert examples.cells is not None
    return {"image": examples.image, "cells": examples.cells}


def _make_feed(
    loss: HeatMapLoss,
    to_input: Callable[[Array], Array],
    augment: Augmentation,
    targets: Callable[[Array], HeatMaps],
) -> Feed:
    def feed(state: TrainState, batch: Batch, keys: Keys) -> Fed:
        step_keys = {name: jax.random.fold_in(key, state.step) for name, key in keys.items()}
        image, cells = augment.with_cells(batch["image"], batch["cells"], step_keys["augment"])
        # Whether a kind is annotated is a fact of the whole picture, not of the part in view.
        target = targets(cells)._replace(is_known=known_kinds(batch["cells"]))
        return Fed(to_input(image), target, loss, step_keys["dropout"])

    return feed


def _make_mean_metrics(
    loss_name: str,
    loss: HeatMapLoss,
    targets: Callable[[Array], HeatMaps],
    reader: SeedReader,
) -> Callable[[Float32[np.ndarray, "n h w k"], Examples], dict[str, float]]:
    @jax.jit
    def loss_of(logits: Array, cells: Array) -> Array:
        return loss(logits[None], targets(cells[None]))[0]

    def mean_metrics(logits: np.ndarray, examples: Examples) -> dict[str, float]:
        assert examples.cells is not None
        losses = [
            float(loss_of(one, cells)) for one, cells in zip(logits, examples.cells, strict=True)
        ]
        seeds = [reader(one) for one in logits]
        figures = mean_figures(seeds, cells_of_pictures(examples))
        by_kind = {f"f1_{kind}": figures[kind]["f1"] for kind in KINDS}
        errors = {f"count_mae_{kind}": figures[kind]["count_mae"] for kind in KINDS}
        return {loss_name: float(np.mean(losses)), **by_kind, **errors}

    return mean_metrics
