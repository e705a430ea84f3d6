"""Several processes that train one run together, each with devices of its own.

with leaving_together():                 # an error ends the others, too
    join(find_place(os.environ))         # nothing at all in an ordinary start
    settings = from_first(lambda: read(path))      # process 0 does it, all have the value
    if is_first():
        write(path)

Collectives between devices wait for whoever is late, so what only one process does (preparing,
writing, reporting) goes by messages through JAX's coordination service and needs no device.
"""

import itertools
import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from wbc_jax.atomic_files import to_json
from wbc_jax.errors import UserError
from wbc_jax.training.place import Place

_INITIALIZATION_SECONDS = 300  # machines of a cluster start one after the other
# A process that is silent for so long is taken for dead, and the others end.
_HEARTBEAT_SECONDS = 30
_SHUTDOWN_SECONDS = 60
_LEAVING_SECONDS = 5
_LONGEST_WAIT_MS = 7 * 24 * 3600 * 1000  # process 0 may be preparing; its death ends the wait
_MESSAGES_KEPT = 100  # far more than one process can be ahead of another
_FAILED = 1
_LOST = re.compile(r"gloo|nccl|unavailable|socket closed|connection|coordination|deadline", re.I)
_log = logging.getLogger(__name__)
_numbers = itertools.count()
_joined: "Place | None" = None


def join(place: Place | None) -> None:
    """Meets the other processes, before JAX has looked for devices; None: does nothing.

    Raises:
        UserError: they do not come, or their meeting point cannot be reached.
    """
    global _joined
    if place is None:
        return
    import jax

    # It would take SIGTERM for itself, and agrees on a step, not on a call of many.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            *place,
            initialization_timeout=_INITIALIZATION_SECONDS,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        who = "" if place.process_id is None else f" {place.process_id} of {place.num_processes}"
        raise UserError(
            f"process{who} did not meet the others at {place.coordinator or 'the address found'} "
            f"({_first_line(error)}); check that all were started with the same command, that "
            "--coordinator is the machine of process 0, and that its port is free and open"
        ) from error
    _joined = Place(place.coordinator, jax.process_count(), jax.process_index())
    if not is_first():
        logging.getLogger("wbc_jax").setLevel(logging.ERROR)  # process 0 says the same
    _log.info("%d processes, %d devices", jax.process_count(), jax.device_count())


def is_shared() -> bool:
    """Returns whether several processes train together."""
    return _joined is not None and _joined.num_processes != 1


def is_first() -> bool:
    """Returns whether this process writes what is written once."""
    return _joined is None or _joined.process_id == 0


def from_first(function: Callable[[], Any]) -> Any:
    """Returns what `function` returns in process 0; the others wait for it and do not call it.

    To be called by all, in the same order.

    Args:
        function: its value, or None, is plain enough for JSON.

    Raises:
        UserError: `function` raised it, in whichever process one looks.
    """
    if not is_shared():
        return function()
    number = next(_numbers)
    key = f"wbc_jax/said/{number}"
    if not is_first():
        said = json.loads(_client().blocking_key_value_get(key, _LONGEST_WAIT_MS))
        if "error" in said:
            raise UserError(f"process 0: {said['error']}")
        return said["value"]
    try:
        value = function()
    except UserError as error:
        _client().key_value_set(key, to_json({"error": str(error)}))
        raise
    _client().key_value_set(key, to_json({"value": value}))
    if number >= _MESSAGES_KEPT:
        _client().key_value_delete(f"wbc_jax/said/{number - _MESSAGES_KEPT}")
    return value


def first_then_others(function: Callable[[], Any]) -> Any:
    """Calls `function` in process 0 and, when that is done, in the others; returns its own value.

    For what is slow but once, such as filling a cache that all of them read.

    Raises:
        UserError: it raised it here, or in process 0.
    """
    value = []
    from_first(lambda: value.append(function()))
    return value[0] if value else function()


def agree(asked: int) -> int:
    """Returns the first number but 0 that any process has given; the same in all of them.

    Process 0 decides, once per call; to be called by all, in the same order.

    Args:
        asked: 0, or what this process asks for.
    """
    if asked and not is_first():
        _client().key_value_set(
            f"wbc_jax/asked/{_joined.process_id if _joined else 0}", str(asked), True
        )

    def decide() -> int:
        return asked or next((int(v) for _, v in _client().key_value_dir_get("wbc_jax/asked/")), 0)

    return int(from_first(decide))


@contextmanager
def leaving_together() -> Iterator[None]:
    """Ends the process where the block fails, so that the others fail soon, too.

    Without it a process that ends with an error would wait for those that wait for it. Where all
    leave for the same reason, each does with its own exit code.
    """
    try:
        yield
    except BaseException as error:
        if not is_shared() or (isinstance(error, SystemExit) and not error.code):
            raise
        _leave(error)


def _leave(error: BaseException) -> None:
    import jax

    code = error.code if isinstance(error, SystemExit) else _FAILED
    if isinstance(error, jax.errors.JaxRuntimeError) and _LOST.search(str(error)):
        who = "" if _joined is None else f" {_joined.process_id} of {_joined.num_processes}"
        print(
            f"error: process{who} has lost another one ({_first_line(error)}); see what that one "
            "said last. The state of the last checkpoint is kept: start all processes again with "
            "the same command",
            file=sys.stderr,
        )
    elif not isinstance(error, SystemExit):
        traceback.print_exception(error)
    else:
        try:
            _client().wait_at_barrier("wbc_jax/leaving", _LEAVING_SECONDS * 1000)
            if is_first():  # it holds the meeting point: without it the others are aborted
                time.sleep(1.0)
        except jax.errors.JaxRuntimeError:
            pass  # they have not come; that this process is gone will tell them
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else _FAILED)


def _client() -> Any:
    # JAX shows its message board to libraries only; Orbax uses the same object.
    from jax._src import distributed

    return distributed.global_state.client


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]
