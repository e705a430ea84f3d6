"""Metrics, weights and pictures for TensorBoard, without TensorFlow.

with TensorBoard(workdir / "tensorboard", epochs_done=0) as board:
    board.write_epoch({"epoch": 1, "train": {...}, "test": {...}}, params)
"""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure
from tensorboardX import SummaryWriter

from wbc_jax.training.train_state import Variables


class TensorBoard:
    """The event files of one run."""

    def __init__(self, folder: Path, *, epochs_done: int) -> None:
        """Opens `folder`; what an interrupted run wrote after `epochs_done` is marked as void."""
        self._writer = SummaryWriter(
            str(folder),
            purge_step=epochs_done + 1,
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
        self._writer.close()

    def write_epoch(self, record: Mapping[str, Any], params: Variables) -> None:
        """Adds one epoch's metrics, `train/...` and `test/...`, and a histogram per weight array.

        Args:
            record: the epoch's line of the history: `epoch`, `train` and `test`.
            params: weights after it.
        """
        epoch = record["epoch"]
        for part in ("train", "test"):
            for name, value in record[part].items():
                self._writer.add_scalar(f"{part}/{name}", value, epoch)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            self._writer.add_histogram(f"params/{name}", np.asarray(leaf), epoch)
        self._writer.flush()

    def write_figures(self, epoch: int, figures: Mapping[str, Figure]) -> None:
        """Adds pictures by name."""
        for name, figure in figures.items():
            self._writer.add_figure(name, figure, epoch, close=False)

    def write_hparams(self, hparams: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Adds the run's settings and its final figures to the HPARAMS page."""
        plain = {
            name: value if isinstance(value, bool | int | float | str) else str(value)
            for name, value in hparams.items()
        }
        self._writer.add_hparams(plain, dict(metrics), name="hparams")
