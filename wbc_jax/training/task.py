"""What a run learns: a class per image, or a place per cell. The loop is the same for every task.

plan = plan_task(config)                      # in tasks.py: refuses what cannot work
task = plan(data)
task.feed, task.example_metrics, task.mean_metrics
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import flax.linen as nn
import numpy as np
from jaxtyping import Float

from wbc_jax.data.bands import BandStatistics
from wbc_jax.data.examples import Examples
from wbc_jax.data.load import Data
from wbc_jax.evaluation.inference import MergeViews, ToInput
from wbc_jax.training.train_step import ExampleMetrics, Feed


@dataclass(frozen=True)
class Task:
    """All in which one task differs from another while it is trained and measured.

    Attributes:
        name: "classification" or "detection".
        model: the network.
        image_shape: rows, columns, bands of its input.
        statistics: of the bands, over the training images.
        to_input: uint8 images to standardised bands.
        shares: how often each training example is to be taken, in shares of all; None: each once
            an epoch.
        on_devices: which arrays of a part lie on the devices, one row per example.
        feed: what a step gives the network, and what to reach.
        metrics: names of `example_metrics`; the loss is one of them.
        example_metrics: of each example of a batch, on the device.
        mean_metrics: of a part's answers, on the host; the same names, or more.
        in_words: the metrics that are shown while it trains besides the loss, with their names.
        merge_views: brings the answers to an image's mirror images together.
    """

    name: str
    model: nn.Module
    image_shape: tuple[int, int, int]
    statistics: BandStatistics
    to_input: ToInput
    shares: Float[np.ndarray, " n"] | None
    on_devices: Callable[[Examples], dict[str, np.ndarray]]
    feed: Feed
    metrics: tuple[str, ...]
    example_metrics: ExampleMetrics
    mean_metrics: Callable[[Float[np.ndarray, "n ..."], Examples], dict[str, float]]
    in_words: Mapping[str, str]
    merge_views: MergeViews


Plan = Callable[[Data], Task]
