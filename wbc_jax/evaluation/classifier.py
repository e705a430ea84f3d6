"""A finished run as a function of images; its training images are not needed.

classifier = load_classifier(Path("runs/cnn-official-seed0"))
images = np.stack([preprocess(encoded, classifier.settings) for encoded in files])
logits = jax.jit(classifier.logits_of)(classifier.variables, images)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import SingleDeviceSharding
from jaxtyping import Array, Float, UInt8
from ml_collections import ConfigDict

from wbc_jax.data.bands import BandStatistics, make_to_input
from wbc_jax.data.preprocessing import Settings
from wbc_jax.errors import UserError
from wbc_jax.evaluation.inference import ToInput, make_logits
from wbc_jax.models import create_model
from wbc_jax.reporting.run_files import Run, read_run
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.experiment import build_optimizer
from wbc_jax.training.prepare_data import image_settings
from wbc_jax.training.rngs import named_key
from wbc_jax.training.run_directory import RunDirectory
from wbc_jax.training.train_state import Progress, Variables, create_train_state
from wbc_jax.training.train_step import zero_sums

_EVALUATE = "evaluate it again: python launch.py --mode=evaluate --workdir={}"


@dataclass(frozen=True)
class Classifier:
    """What a run has learned and how it wants its images.

    Attributes:
        run: its files.
        model: its network.
        variables: weights and running statistics after the last epoch.
        settings: how an image becomes an array.
        bands: of the network's input.
        statistics: of the bands, over the run's training images.
        flips: whether its answers are means over four mirror images.
        step: training steps done.
    """

    run: Run
    model: nn.Module
    variables: Variables
    settings: Settings
    bands: str
    statistics: BandStatistics
    flips: bool
    step: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the labels."""
        return tuple(self.run.results["classes"])

    @property
    def temperature(self) -> float | None:
        """What logits are divided by; None where the run held nothing out to fit it on."""
        return self.run.results["test"]["temperature"]

    @property
    def selective(self) -> dict[str, Any] | None:
        """The run's choice of a confidence to answer from; None where nothing was held out."""
        return self.run.results.get("selective")

    @property
    def channels(self) -> int:
        """Of a pre-processed image."""
        return 1 if self.settings.gray else 3

    @cached_property
    def to_input(self) -> ToInput:
        """Uint8 images to standardised bands."""
        return make_to_input(self.bands, self.statistics)

    @cached_property
    def logits_of(self) -> Callable[[Variables, UInt8[Array, "b h w c"]], Float[Array, "b k"]]:
        """A pure function of weights and pre-processed images, not compiled."""
        return make_logits(self.model, self.to_input, flips=self.flips)


def load_classifier(workdir: Path) -> Classifier:
    """Returns what a finished run has learned, from its files alone.

    Args:
        workdir: the run's directory.

    Raises:
        UserError: there is no finished run, its files are damaged, or an earlier version wrote it.
    """
    run = read_run(workdir)
    statistics = run.results.get("band_statistics")
    if statistics is None or ("selective" not in run.results):
        raise UserError(
            f"{workdir}/results.json is of an earlier version: it lacks the statistics of the "
            f"training images; {_EVALUATE.format(workdir)}"
        )
    config = RunDirectory(workdir).load_config()
    try:
        model = create_model(num_classes=len(run.results["classes"]), **config.model.to_dict())
        target = _abstract_progress(config, model, run.results["num_train"])
        settings, bands = image_settings(config), config.data.bands
        num_epochs, flips = config.train.num_epochs, config.eval.test_time_flips
    except (AttributeError, KeyError) as error:  # what a ConfigDict raises of a missing field
        raise UserError(
            f"{workdir}/config.json lacks a field that this version reads ({error.args[0]}); use "
            "the version that trained the run, or train it again"
        ) from error
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        checkpoint = checkpoints.restore_latest(target)
    if checkpoint is None or len(checkpoint.facts["epochs"]) < num_epochs:
        raise UserError(
            f"{workdir}/checkpoints does not hold the state after the last of {num_epochs} epochs; "
            "the command that started the run resumes it"
        )
    return Classifier(
        run=run,
        model=model,
        variables=checkpoint.progress.state.variables,
        settings=settings,
        bands=bands,
        statistics=BandStatistics(**{n: np.array(v, np.float32) for n, v in statistics.items()}),
        flips=flips,
        step=checkpoint.step,
    )


def _abstract_progress(config: ConfigDict, model: nn.Module, num_train: int) -> Progress:
    """Returns shapes, dtypes and shardings of what the run's checkpoints hold."""
    side = config.data.image_size
    tx = build_optimizer(config, num_train // config.train.batch_size)
    state = jax.eval_shape(
        lambda: create_train_state(
            model,
            tx,
            named_key(config.seed, "params"),
            image_shape=(side, side, 3),
            keeps_average=config.train.average_decay > 0,
        )
    )
    here = SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here),
        Progress(state, jax.eval_shape(zero_sums)),
    )
