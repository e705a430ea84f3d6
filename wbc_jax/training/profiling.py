"""A trace of what the devices and Python do during one epoch, for Perfetto and TensorBoard.

with record_trace(workdir / "profile"):
    with span("test images"):                      # costs nothing while no trace is recorded
        ...
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

_log = logging.getLogger(__name__)
# An epoch of the CNN on the paper's images fits; one of ResNet50 would fill 60 MB.
_LONGEST_SECONDS = 15.0

span = jax.profiler.TraceAnnotation


@contextmanager
def record_trace(folder: Path, *, longest_seconds: float = _LONGEST_SECONDS) -> Iterator[None]:
    """Records a trace of what is done inside, or of its beginning, into `folder`.

    Python's own calls are left out: following each of them would slow down what is measured.

    Args:
        folder: made if it is not there; every trace has a folder of its own below it.
        longest_seconds: after this time the recording ends, so that the files stay small.
    """
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    jax.profiler.start_trace(folder, create_perfetto_trace=True, profiler_options=options)
    stopping = threading.Lock()

    def stop() -> None:
        if stopping.acquire(blocking=False):
            jax.profiler.stop_trace()
            _say_where(folder)

    timer = threading.Timer(longest_seconds, stop)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        stop()
        timer.join()


def _say_where(folder: Path) -> None:
    newest = max(folder.rglob("perfetto_trace.json.gz"), key=lambda path: path.stat().st_mtime)
    _log.info(
        "trace: open %s at https://ui.perfetto.dev, or run tensorboard --logdir %s with its "
        "profile plugin (xprof)",
        newest,
        folder,
    )
