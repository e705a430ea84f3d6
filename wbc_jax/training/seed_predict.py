"""The logits of several seeds' examples in one program, by vmap.

predict = SeedPredict(config, experiments, test_parts, sharding)
logits = predict(states.variables)                      # a NumPy array of each seed, [n, k]
"""

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from wbc_jax.data.bands import BandStatistics, make_to_input
from wbc_jax.data.examples import Examples
from wbc_jax.evaluation.inference import make_logits, pad_to_batches
from wbc_jax.training.experiment import Experiment
from wbc_jax.training.seed_steps import padded, stack
from wbc_jax.training.train_state import Variables


class SeedPredict:
    """Computes the logits of one part of every seed's images."""

    def __init__(
        self,
        config: ConfigDict,
        experiments: Sequence[Experiment],
        parts: Sequence[Examples],
        sharding: NamedSharding,
    ) -> None:
        """Puts the images on the devices.

        Args:
            config: of one of them.
            experiments: of configs that differ in the seed alone.
            parts: the examples of each; one at least has any, or all have none.
            sharding: of arrays with the seeds as their first axis.
        """
        self._config, self._model = config, experiments[0].task.model
        self._lengths = [len(part.label) for part in parts]
        self._num_classes = len(experiments[0].data.classes)
        self._statistics = stack([own.task.statistics for own in experiments], sharding)
        self._batches = []
        if longest := max(self._lengths):
            size = min(self._config.eval.batch_size, longest)
            whole = padded([part.image for part in parts])
            images = np.stack([pad_to_batches(own, size) for own in whole])
            batches = [images[:, place] for place in range(images.shape[1])]
            self._batches = jax.device_put(batches, sharding)
        self._logits_of = jax.jit(jax.vmap(self._one_seed))

    def __call__(self, variables: Variables) -> list[Float[np.ndarray, "n k"]]:
        """Returns the logits of each seed's examples, in their order.

        Args:
            variables: of the network, with the seeds as the first axis of every array.
        """
        parts = [
            np.asarray(self._logits_of(variables, self._statistics, batch))
            for batch in self._batches
        ]
        if not parts:
            return [np.zeros((0, self._num_classes), np.float32) for _ in self._lengths]
        whole = np.concatenate(parts, axis=1)
        return [own[:length] for own, length in zip(whole, self._lengths, strict=True)]

    def _one_seed(self, variables: Variables, statistics: BandStatistics, batch: Array) -> Array:
        logits_of = make_logits(
            self._model,
            make_to_input(self._config.data.bands, statistics),
            flips=self._config.eval.test_time_flips,
        )
        return logits_of(variables, batch)
