"""Fetches the public repository's archive of the images, whole or not at all."""

import http.client
import logging
import shutil
import sys
import urllib.request
import zipfile
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from tqdm import tqdm

from wbc_jax.atomic_files import replacing
from wbc_jax.errors import UserError

COMMIT = "0b22eb2084b1004d464fb5ab87adc85ab94b2079"
NAME = f"wbc-classification-{COMMIT}.zip"
URL = f"https://github.com/dhruvp/wbc-classification/archive/{COMMIT}.zip"

_CHUNK = 1 << 20  # bytes

_log = logging.getLogger(__name__)


def fetch(url: str, target: Path, *, timeout: float = 20.0) -> Path:
    """Downloads a zip to `target`, under a temporary name until it is complete.

    Args:
        url: where it is.
        target: the file it becomes; its folder is made.
        timeout: seconds without any answer after which the network counts as absent.

    Returns:
        `target`.

    Raises:
        UserError: it cannot be fetched or written, or what came is not a whole zip.
    """
    _log.info("fetching %s", url)
    try:
        with replacing(target) as partial:
            with (
                urllib.request.urlopen(url, timeout=timeout) as answer,
                partial.open("wb") as file,
            ):
                _copy(answer, file, total=answer.headers.get("Content-Length"))
            if not zipfile.is_zipfile(partial):  # its directory stands at its end
                raise UserError(_by_hand(url, "what came is not a whole zip archive"))
    except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        # Some say nothing at all, such as a timeout while reading.
        raise UserError(_by_hand(url, str(error) or type(error).__name__)) from error
    return target


@runtime_checkable
class _Readable(Protocol):
    """What the answer to a request is, be it from a server or from a file."""

    def read(self, size: int = -1, /) -> bytes:
        """Returns the next bytes."""


def _copy(answer: _Readable, file: BinaryIO, *, total: str | None) -> None:
    with tqdm.wrapattr(
        answer,
        "read",
        total=int(total) if total else None,  # this archive is made on request: often unknown
        desc="fetching blood_cells",
        disable=not sys.stderr.isatty(),
    ) as shown:
        shutil.copyfileobj(shown, file, _CHUNK)


def _by_hand(url: str, reason: str) -> str:
    return (
        f"blood_cells: fetching {url} failed ({reason}). Where there is no network, or the archive "
        "has gone, do it by hand: fetch that address in a browser or with `curl -L -O`, then "
        f"name the file with --data_dir=PATH/TO/{url.rpartition('/')[2]}. Without the images: "
        "python launch.py --config=configs/alexnet.py"
    )
