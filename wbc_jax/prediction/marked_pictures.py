"""The marked copies of the pictures, which replace an earlier prediction's when all is done.

with MarkedPictures(output) as marked:
    marked.add(1, "smear.png", jpeg)          # -> "pictures/00001-smear.jpg"
    marked.end()
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from wbc_jax.atomic_files import temporary_name, write_bytes
from wbc_jax.prediction.records import JSON
from wbc_jax.reporting.output_folder import make_output_folder

PICTURES = "pictures"
_STEM = 60  # characters of a picture's name that its marked copy keeps


class MarkedPictures:
    """Gathers the copies in a folder aside, so that nothing is lost where a prediction fails."""

    def __init__(self, output: Path) -> None:
        """Begins with none; `output` is the prediction's folder.

        Raises:
            UserError: the folder cannot be written.
        """
        self._output = output
        self._folder = output / PICTURES
        self._aside = temporary_name(self._folder)
        self._names: list[str] = []

    def __enter__(self) -> "MarkedPictures":
        make_output_folder(self._folder)
        self._aside.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)

    def add(self, number: int, picture: str, jpeg: bytes) -> str:
        """Keeps a copy; returns its place below the output.

        Args:
            number: of the picture.
            picture: its own name.
            jpeg: the copy.
        """
        # Of its own name only what every file system takes.
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", Path(picture).stem[:_STEM])
        name = f"{number:05d}-{stem}.jpg"
        write_bytes(self._aside / name, jpeg)
        self._names.append(name)
        return f"{PICTURES}/{name}"

    def end(self) -> None:
        """Puts the copies where those of an earlier prediction were; other files stay."""
        remove_marked(self._output)
        for name in self._names:
            (self._aside / name).replace(self._folder / name)


def remove_marked(output: Path) -> None:
    """Removes the marked pictures of an earlier prediction in a folder; other files stay."""
    for name in _marked_before(output):
        (output / PICTURES / name).unlink(missing_ok=True)


def _marked_before(output: Path) -> Iterator[str]:
    """Yields the names of the marked pictures that an earlier prediction lists in a folder."""
    path = output / JSON
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:  # one picture each: a whole file of many would fill the memory
            try:
                picture = json.loads(line.rstrip(",\n"))
            except ValueError:  # it stands around the pictures, or the file is not ours
                continue
            if isinstance(picture, dict) and isinstance(picture.get("marked"), str):
                yield Path(picture["marked"]).name
