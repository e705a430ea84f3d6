"""Metrics, weights and pictures for TensorBoard, without TensorFlow.

with TensorBoard(workdir / "tensorboard", epochs_done=0) as board:
    board.write_epoch({"epoch": 1, "train": {...}, "test": {...}}, params)
"""

import time
from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
from PIL import Image

from wbc_jax.training.train_state import Variables

# Evenly wide; the library's own 1549 take ten times as long to count and to write.
_HISTOGRAM_BINS = 64
_HPARAMS = "hparams"
_RGBA = 4  # in TensorBoard's numbering of colour spaces


class TensorBoard:
    """The event files of one run.

    Events are written at once and in the caller's thread: the library's own writer hands them to
    another one, which on a full disk ends unheard while the caller waits for it for ever.
    """

    def __init__(self, folder: Path, *, epochs_done: int) -> None:
        """Names `folder`; what an interrupted run wrote after `epochs_done` is marked as void."""
        self._folder = folder
        self._epochs_done = epochs_done

    @cached_property
    def _events(self) -> Any:
        # Imported with the first thing to write, which the first step does not wait for.
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        events = _open_events(self._folder)
        void = SessionLog(status=SessionLog.START)
        events.write_event(Event(step=self._epochs_done + 1, session_log=void))
        return events

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if "_events" in vars(self):
            _close(self._events, error)

    def write_epoch(self, record: Mapping[str, Any], params: Variables) -> None:
        """Adds one epoch's metrics, such as `train/...`, and a histogram per weight array.

        Args:
            record: the epoch's line of the history: `epoch`, and metrics of every part.
            params: weights after it.
        """
        from tensorboardX import summary

        epoch = record["epoch"]
        parts = {name: values for name, values in record.items() if isinstance(values, Mapping)}
        for part, values in parts.items():
            for name, value in values.items():
                _write(self._events, summary.scalar(f"{part}/{name}", value), epoch)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            counted = summary.histogram(f"params/{name}", np.asarray(leaf), _HISTOGRAM_BINS)
            _write(self._events, counted, epoch)
        self._events.flush()

    def write_pictures(self, epoch: int, pictures: Mapping[str, bytes]) -> None:
        """Adds pictures by name.

        Args:
            epoch: after which they were drawn.
            pictures: the content of a PNG file each.
        """
        from tensorboardX.proto.summary_pb2 import Summary

        for name, png in pictures.items():
            width, height = Image.open(BytesIO(png)).size
            image = Summary.Image(
                height=height, width=width, colorspace=_RGBA, encoded_image_string=png
            )
            _write(self._events, Summary(value=[Summary.Value(tag=name, image=image)]), epoch)
        if pictures:
            self._events.flush()

    def write_hparams(self, hparams: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Adds the run's settings and its final figures to the HPARAMS page."""
        plain = {
            name: value if isinstance(value, bool | int | float | str) else str(value)
            for name, value in hparams.items()
        }
        from tensorboardX import summary

        events, error = _open_events(self._folder / _HPARAMS), None
        try:
            for part in summary.hparams(plain, dict(metrics)):
                _write(events, part, 0)
            for name, value in metrics.items():
                _write(events, summary.scalar(name, value), 0)
        except OSError as failed:
            error = failed
            raise
        finally:
            _close(events, error)


def _open_events(folder: Path) -> Any:
    from tensorboardX.event_file_writer import EventsWriter

    folder.mkdir(parents=True, exist_ok=True)
    # Files are named by the second: two starts in one would overwrite each other.
    return EventsWriter(str(folder / "events"), f".{time.time_ns()}")


def _write(events: Any, summary: Any, step: int) -> None:
    from tensorboardX.proto.event_pb2 import Event

    events.write_event(Event(wall_time=time.time(), step=step, summary=summary))


def _close(events: Any, error: BaseException | None) -> None:
    """Closes the file; where it could not be written, that is known already."""
    try:
        events.close()
    except OSError:
        if error is None:
            raise
