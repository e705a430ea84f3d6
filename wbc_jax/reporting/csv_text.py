"""Rows as CSV.

csv_text([{"setting": "cnn", "accuracy": 0.49}])
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Returns a heading and a line per row, values as they are; None leaves a cell empty.

    Args:
        rows: at least one, unless the columns are given.
        columns: by default those of the first row.

    Raises:
        ValueError: a row has another column.
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
