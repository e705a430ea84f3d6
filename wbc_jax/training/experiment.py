"""Everything a config names, built: data, network, optimizer, devices. The config stops here.

experiment = build_experiment(config, data_dir=None, cache_dir=cache)
state = experiment.initial_state()
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import flax.linen as nn
import jax
import optax
from jax.sharding import Mesh
from jax.stages import Wrapped
from jaxtyping import Array
from ml_collections import ConfigDict

from wbc_jax.data.augmentation import augment
from wbc_jax.data.bands import BANDS, band_statistics, expand_bands, is_gray, standardise
from wbc_jax.data.load import Data, class_names, load_data
from wbc_jax.data.preprocessing import Settings
from wbc_jax.errors import UserError
from wbc_jax.models import create_model
from wbc_jax.models.describe import layer_table, list_layers
from wbc_jax.training.losses import LOSSES
from wbc_jax.training.optimizers import create_optimizer, create_schedule
from wbc_jax.training.rngs import named_key
from wbc_jax.training.sharding import (
    create_mesh,
    replicated,
    require_divisible,
    split_by_example,
)
from wbc_jax.training.train_state import TrainState, create_train_state
from wbc_jax.training.train_step import make_run_steps, make_train_step


@dataclass(frozen=True)
class Experiment:
    """A run ready to train or to be evaluated.

    Attributes:
        data: its images.
        model: its network.
        tx: its optimizer.
        mesh: its devices.
        to_input: uint8 images to standardised bands.
        run_steps: many training steps in one call.
        image_shape: rows, columns, bands of the network's input.
        steps_per_epoch: full batches in the training part.
        seed: of everything random.
    """

    data: Data
    model: nn.Module
    tx: optax.GradientTransformation
    mesh: Mesh
    to_input: Callable[[Array], Array]
    run_steps: Wrapped
    image_shape: tuple[int, int, int]
    steps_per_epoch: int
    seed: int

    def initial_state(self) -> TrainState:
        """Returns the state before the first step, on the devices."""
        return jax.jit(self._create_state, out_shardings=replicated(self.mesh))()

    def abstract_state(self) -> TrainState:
        """Returns shapes, dtypes and shardings of the state, without computing it."""
        sharding = replicated(self.mesh)
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            jax.eval_shape(self._create_state),
        )

    def _create_state(self) -> TrainState:
        return create_train_state(
            self.model, self.tx, named_key(self.seed, "params"), image_shape=self.image_shape
        )


def prepare_data(
    config: ConfigDict, *, data_dir: Path | None, cache_dir: Path, download: bool = False
) -> Data:
    """Returns the images that `config.data` names, pre-processed and divided.

    Raises:
        UserError: a field's value is out of range, or the images are not there or not readable.
    """
    return load_data(
        config.data.protocol,
        _settings(config),
        num_classes=config.data.num_classes,
        seed=config.seed,
        data_dir=data_dir,
        cache_dir=cache_dir,
        download=download,
    )


def build_experiment(
    config: ConfigDict, *, data_dir: Path | None, cache_dir: Path, download: bool = False
) -> Experiment:
    """Builds all that training and evaluation need; what can be refused is refused here.

    Raises:
        UserError: a field has a value that cannot work; the message names field, rule and remedy.
    """
    mesh = create_mesh(config.mesh.num_devices)
    require_divisible("train.batch_size", config.train.batch_size, mesh)
    require_divisible("eval.batch_size", config.eval.batch_size, mesh)
    for field in ("train.num_epochs", "train.steps_per_call", "checkpoint.every_epochs"):
        _require_at_least(config, field, 1)
    for field in ("data.crop_margin", "checkpoint.num_best"):
        _require_at_least(config, field, 0)
    loss = LOSSES[_choice("train.loss", config.train.loss, LOSSES)]
    data = prepare_data(config, data_dir=data_dir, cache_dir=cache_dir, download=download)
    train = data.partition.train
    steps_per_epoch = len(train.label) // config.train.batch_size
    if steps_per_epoch == 0:
        raise UserError(
            f"train.batch_size={config.train.batch_size} is larger than the training set of "
            f"{len(train.label)} images; try {_largest_batch(len(train.label), mesh.size)}"
        )
    model = create_model(num_classes=len(data.classes), **config.model.to_dict())
    tx = _build_optimizer(config, steps_per_epoch)
    statistics = band_statistics(train.image, config.data.bands)

    def to_input(image: Array) -> Array:
        return standardise(expand_bands(image, config.data.bands), statistics)

    train_step = make_train_step(
        model,
        tx,
        loss=loss,
        to_input=to_input,
        augment=partial(augment, mirror=config.data.mirror, crop_margin=config.data.crop_margin),
    )
    experiment = Experiment(
        data=data,
        model=model,
        tx=tx,
        mesh=mesh,
        to_input=to_input,
        run_steps=make_run_steps(train_step, split_by_example(mesh)),
        image_shape=(config.data.image_size, config.data.image_size, 3),
        steps_per_epoch=steps_per_epoch,
        seed=config.seed,
    )
    experiment.abstract_state()  # layers that do not fit together are refused now
    return experiment


def describe_model(config: ConfigDict) -> str:
    """Returns the table of layers of the network that the config names; needs no images.

    Raises:
        UserError: the network or its number of classes is not known.
    """
    classes = class_names(config.data.protocol, config.data.num_classes)
    model = create_model(num_classes=len(classes), **config.model.to_dict())
    side = _settings(config).image_size
    layers = list_layers(model, image_shape=(side, side, 3))
    return layer_table(layers, title=f"{config.model.name} for {side}x{side}x3, one image")


def _settings(config: ConfigDict) -> Settings:
    return Settings(
        first_size=config.data.first_size,
        image_size=config.data.image_size,
        gray=is_gray(_choice("data.bands", config.data.bands, BANDS)),
    )


def _largest_batch(num_examples: int, num_devices: int) -> int:
    """Returns the largest usual batch size that fits the set and divides among the devices."""
    return min(32, num_examples) // num_devices * num_devices


def _build_optimizer(config: ConfigDict, steps_per_epoch: int) -> optax.GradientTransformation:
    optim = config.optim
    if not 0 <= optim.warmup_epochs < config.train.num_epochs:
        raise UserError(
            f"optim.warmup_epochs={optim.warmup_epochs} must be at least 0 and shorter than "
            f"train.num_epochs={config.train.num_epochs}"
        )
    schedule = create_schedule(
        optim.schedule,
        learning_rate=optim.learning_rate,
        num_train_steps=config.train.num_epochs * steps_per_epoch,
        num_warmup_steps=round(optim.warmup_epochs * steps_per_epoch),
    )
    return create_optimizer(optim.name, schedule=schedule, momentum=optim.momentum)


def _choice(field: str, value: str, choices: Collection[str]) -> str:
    if value not in choices:
        raise UserError(f"{field}={value!r} is not known; choose one of {', '.join(choices)}")
    return value


def _require_at_least(config: ConfigDict, field: str, least: int) -> None:
    value = config
    for name in field.split("."):
        value = value[name]
    if value < least:
        raise UserError(f"{field}={value} must be at least {least}")
