"""One process at a time: a lock that ends with its holder, whatever ends that.

with only_one(folder / ".lock"):                 # raises Held where another process has it
with only_one(folder / ".lock", waiting="..."):  # waits for it, saying so

The kernel keeps the lock with the open file: it is gone with the process, be it killed, and with
the machine. The file stays and means nothing by itself.
"""

import contextlib
import errno
import fcntl
import logging
import os
import platform
from collections.abc import Iterator
from pathlib import Path

_log = logging.getLogger(__name__)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Held(Exception):  # noqa: N818 - it is what was found, not a fault of the program
    """Another process holds the lock; the message says which, as far as it is known."""


@contextlib.contextmanager
def only_one(path: Path, *, waiting: str | None = None) -> Iterator[None]:
    """Holds the lock at `path` within the block.

    Args:
        path: the lock's file; made, with its folder, where it is missing.
        waiting: what to log while another process holds it; None: do not wait.

    Raises:
        Held: another process holds it, and `waiting` is None.
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a buffer, which a full disk would have fail once more at the end.
    with path.open("a+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if waiting is None:
                file.seek(0)
                raise Held(file.read().decode(errors="replace") or "another process") from error
            _log.info(waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _log.warning("%s: this file system has no locks; start no second process", path)
        with contextlib.suppress(OSError):  # a full disk keeps no names, but locks all the same
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}".encode())
        yield
