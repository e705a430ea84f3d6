"""The predictions as files, written while they are made: nothing is kept in memory.

with PredictionFiles(output, classes, head={"run": ...}) as files:
    files.add({"image": "a.png", "cells": [...]})
    files.end({"counts": ..., "folders": ...})

`predictions.csv` has one row for each cell:

| column | meaning |
| --- | --- |
| `image` | the file, as below the place named |
| `cell` | its number in the picture, from 1 |
| `row`, `column` | its centre, pixels of the upright picture, 0 is the middle of the first |
| `kind` | RBC, WBC or Platelets |
| `score` | of the detector, 0 to 1; empty for single cells |
| `class` | of a white cell: the answer, or `uncertain`; else empty |
| `confidence` | calibrated probability of the most probable class |
| `most_probable` | that class, whether it is the answer or not |
| `p_CLASS` | calibrated probability of each class |

`predictions.json` has the same by picture, with what was done and the counts.

`differential.csv` has one row for each folder of pictures:

| column | meaning |
| --- | --- |
| `folder` | the uppermost that tells pictures apart, such as a slide's; `.` of those in none |
| `pictures`, `left_out` | in it, and files that could not be used |
| `RBC`, `WBC`, `Platelets` | cells found; of single cells, `WBC` only |
| `answered`, `uncertain` | of the white cells |
| `CLASS`, `uncertain_CLASS` | of each class: white cells, and uncertain ones most probably of it |
| `share_CLASS`, `low_CLASS`, `high_CLASS` | its share of the answered, and the 95 % interval |
"""

import contextlib
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from wbc_jax.atomic_files import temporary_name, to_json
from wbc_jax.reporting.csv_text import csv_text
from wbc_jax.reporting.output_folder import require_ours

CSV, JSON, DIFFERENTIAL = "predictions.csv", "predictions.json", "differential.csv"
UNCERTAIN = "uncertain"
_OF_CELL = ("cell", "row", "column", "kind", "score")
_FIRST_COLUMNS = {CSV: ",".join(("image", *_OF_CELL)), DIFFERENTIAL: "folder,pictures,left_out,"}
_OF_WHITE = ("class", "confidence", "most_probable")


class PredictionFiles:
    """The files; they get their names when all are complete, and replace earlier ones."""

    def __init__(self, output: Path, classes: Sequence[str], head: Mapping[str, Any]) -> None:
        """Begins them in the folder.

        Args:
            output: the folder.
            classes: names in the order of the probabilities.
            head: first fields of predictions.json.
        """
        names = (CSV, JSON, DIFFERENTIAL)
        self._paths = {temporary_name(output / name): output / name for name in names}
        self._classes = list(classes)
        self._table, self._text, self._folders = (
            path.open("w", encoding="utf-8", newline="") for path in self._paths
        )
        self._rows = csv.writer(self._table)
        self._rows.writerow(
            ["image", *_OF_CELL, *_OF_WHITE, *(f"p_{name}" for name in self._classes)]
        )
        self._text.write(_writable(to_json(head))[:-1] + ', "images": [')
        self._is_first = True
        self._is_complete = False

    def __enter__(self) -> "PredictionFiles":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in (self._table, self._text, self._folders):
            with contextlib.suppress(OSError):  # a full disk fails again; the block's error says it
                file.close()
        for temporary, path in self._paths.items():
            if self._is_complete and error is None:
                temporary.replace(path)
            else:
                temporary.unlink(missing_ok=True)

    def add(self, picture: Mapping[str, Any]) -> None:
        """Adds a picture.

        Args:
            picture: `image` and `cells`, which are mappings with the columns of the table; what
                else it has goes into predictions.json only.
        """
        for cell in picture["cells"]:
            shares = cell.get("probabilities", {})
            self._rows.writerow(
                [
                    _writable(picture["image"]),
                    *(_text(cell.get(name)) for name in (*_OF_CELL, *_OF_WHITE)),
                    *(_text(shares.get(name)) for name in self._classes),
                ]
            )
        self._text.write(("\n" if self._is_first else ",\n") + _writable(to_json(picture)))
        self._is_first = False

    def end(self, tail: Mapping[str, Any]) -> None:
        """Ends the files; they get their names when the block ends well.

        Args:
            tail: last fields of predictions.json; `folders`, by name, as `Tally.describe`.

        Raises:
            OSError: they cannot be written to their ends.
        """
        self._text.write("\n], " + _writable(to_json(tail))[1:] + "\n")
        self._folders.write(_writable(csv_text([_row(*one) for one in tail["folders"].items()])))
        for file in (self._table, self._text, self._folders):
            file.close()
        self._is_complete = True


def require_our_tables(output: Path) -> None:
    """Checks that no table of somebody else would be replaced.

    Raises:
        UserError: the folder holds a table of the name of one of ours that no prediction wrote.
    """
    for name, first_columns in _FIRST_COLUMNS.items():
        require_ours(output / name, first_columns, "a prediction")


def _row(folder: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a folder's row of differential.csv."""
    counts = found["differential"]
    row = {"folder": folder, "pictures": found["num_images"], "left_out": found["num_bad_files"]}
    row |= {
        **found["counts"],
        "answered": counts["answered"],
        "uncertain": counts["uncertain"]["count"],
    }
    for name, of_class in counts["classes"].items():
        low, high = of_class["interval"] or (None, None)
        row |= {name: of_class["count"], f"uncertain_{name}": of_class["uncertain"]}
        for column, value in (("share", of_class["share"]), ("low", low), ("high", high)):
            row[f"{column}_{name}"] = _text(value)
    return row


def _writable(text: str) -> str:
    """Returns text that UTF-8 can hold: a name in another encoding becomes an escape."""
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.8g}" if isinstance(value, float) else str(value)
