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
import numpy as np
from jaxtyping import Array, Float, UInt8

from wbc_jax.data.bands import BandStatistics, make_to_input
from wbc_jax.data.preprocessing import Settings
from wbc_jax.errors import UserError
from wbc_jax.evaluation.inference import ToInput, make_logits
from wbc_jax.evaluation.metrics import METRICS
from wbc_jax.models import create_model
from wbc_jax.reporting.run_files import Run, read_run
from wbc_jax.training.prepare_data import image_settings
from wbc_jax.training.run_directory import RunDirectory
from wbc_jax.training.train_state import Variables
from wbc_jax.training.trained import restore_trained

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
    with RunDirectory(workdir).reading_config() as config:
        model = create_model(num_classes=len(run.results["classes"]), **config.model.to_dict())
        side, bands, flips = config.data.image_size, config.data.bands, config.eval.test_time_flips
        settings = image_settings(config)
        checkpoint = restore_trained(
            workdir,
            config,
            model,
            image_shape=(side, side, 3),
            metrics=METRICS,
            num_train=run.results["num_train"],
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
