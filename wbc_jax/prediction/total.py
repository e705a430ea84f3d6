"""What was found, counted: over all pictures, and over those of each folder.

total = Total(classes, folder_of=pictures.folder_of)
total.add("slide-1/a.png", cells)
total.describe()["folders"]["slide-1"]["differential"]
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wbc_jax.prediction.differential import differential
from wbc_jax.prediction.records import UNCERTAIN
from wbc_jax.printable import printable
from wbc_jax.seeds.seed_points import KINDS

_MOST_BAD_FILES = 1000  # listed; all are counted
_log = logging.getLogger(__name__)


class Tally:
    """The cells of some pictures.

    Attributes:
        num_images: how many pictures.
        num_bad_files: how many files beside them that could not be used.
    """

    def __init__(self, classes: Sequence[str], kinds: Sequence[str]) -> None:
        """Begins at nothing.

        Args:
            classes: names in label order.
            kinds: of cells that are looked for.
        """
        self.num_images = self.num_bad_files = 0
        self._answers = Counter(dict.fromkeys(classes, 0))
        self._uncertain: Counter[str] = Counter()  # by their most probable class
        self._kinds = Counter(dict.fromkeys(kinds, 0))

    def add(self, cells: Sequence[Mapping[str, Any]]) -> None:
        """Counts a picture's cells."""
        self.num_images += 1
        for cell in cells:
            self._kinds[cell["kind"]] += 1
            if cell.get("class") == UNCERTAIN:
                self._uncertain[cell["most_probable"]] += 1
            elif "class" in cell:
                self._answers[cell["class"]] += 1

    def describe(self) -> dict[str, Any]:
        """Returns the counts and the differential count."""
        return {
            "num_images": self.num_images,
            "num_bad_files": self.num_bad_files,
            "num_white": self._kinds["WBC"],
            "counts": dict(self._kinds),
            "differential": differential(self._answers, self._uncertain),
        }


class Total:
    """Counts over all pictures and, where a folder is a slide or a person, over each."""

    def __init__(
        self,
        classes: Sequence[str],
        kinds: Sequence[str] = KINDS,
        *,
        folder_of: Callable[[str], str],
    ) -> None:
        """Begins at nothing.

        Args:
            classes: names in label order.
            kinds: of cells that are looked for.
            folder_of: from a picture's name to the folder that it is counted in.
        """
        self._all = Tally(classes, kinds)
        self._folders = defaultdict[str, Tally](lambda: Tally(classes, kinds))
        self._folder_of = folder_of
        self._bad: list[dict[str, str]] = []

    @property
    def num_images(self) -> int:
        """Pictures predicted."""
        return self._all.num_images

    def add(self, name: str, cells: Sequence[Mapping[str, Any]]) -> None:
        """Counts a picture's cells."""
        for tally in (self._all, self._folders[self._folder_of(name)]):
            tally.add(cells)

    def add_bad(self, name: str, reason: str) -> None:
        """Notes a file that could not be used, and says so."""
        _log.warning("%s: left out (%s)", printable(name), reason)
        for tally in (self._all, self._folders[self._folder_of(name)]):
            tally.num_bad_files += 1
        if len(self._bad) < _MOST_BAD_FILES:
            self._bad.append({"file": name, "reason": reason})

    def first_bad(self) -> str:
        """Returns the first bad file with its reason; nothing where there is none."""
        if not self._bad:
            return ""
        return f"; the first: {printable(self._bad[0]['file'])} ({self._bad[0]['reason']})"

    def describe(self) -> dict[str, Any]:
        """Returns the last fields of predictions.json."""
        return self._all.describe() | {
            "folders": {folder: tally.describe() for folder, tally in self._folders.items()},
            "bad_files": self._bad,
        }
