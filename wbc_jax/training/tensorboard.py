"""Metrics, weights and pictures for TensorBoard, without TensorFlow.

with TensorBoard(workdir / "tensorboard", epochs_done=0) as board:
    board.write_epoch({"epoch": 1, "train": {...}, "test": {...}}, params)
"""

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np

from wbc_jax.training.train_state import Variables

# Evenly wide; the library's own 1549 take ten times as long to count and to write.
_HISTOGRAM_BINS = 64


class TensorBoard:
    """The event files of one run."""

    def __init__(self, folder: Path, *, epochs_done: int) -> None:
        """Opens `folder`; what an interrupted run wrote after `epochs_done` is marked as void."""
        self._folder = folder
        self._epochs_done = epochs_done

    @cached_property
    def _writer(self) -> Any:
        # Imported with the first thing to write, which the first step does not wait for.
        from tensorboardX import SummaryWriter

        return SummaryWriter(
            str(self._folder),
            purge_step=self._epochs_done + 1,
            # Files are named by the second: two starts in one would overwrite each other.
            filename_suffix=f".{time.time_ns()}",
        )

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if "_writer" in vars(self):
            self._writer.close()

    def write_epoch(self, record: Mapping[str, Any], params: Variables) -> None:
        """Adds one epoch's metrics, such as `train/...`, and a histogram per weight array.

        Args:
            record: the epoch's line of the history: `epoch`, and metrics of every part.
            params: weights after it.
        """
        epoch = record["epoch"]
        parts = {name: values for name, values in record.items() if isinstance(values, Mapping)}
        for part, values in parts.items():
            for name, value in values.items():
                self._writer.add_scalar(f"{part}/{name}", value, epoch)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            self._writer.add_histogram(f"params/{name}", np.asarray(leaf), epoch, _HISTOGRAM_BINS)
        self._writer.flush()

    def write_figures(self, epoch: int, figures: Mapping[str, Any]) -> None:
        """Adds pictures by name.

        Args:
            epoch: after which they were drawn.
            figures: of matplotlib.
        """
        for name, figure in figures.items():
            self._writer.add_figure(name, figure, epoch, close=False)

    def write_hparams(self, hparams: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Adds the run's settings and its final figures to the HPARAMS page."""
        plain = {
            name: value if isinstance(value, bool | int | float | str) else str(value)
            for name, value in hparams.items()
        }
        self._writer.add_hparams(plain, dict(metrics), name="hparams")
