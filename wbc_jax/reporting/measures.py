"""What the settings of a task are judged by: figures by level and name.

measures = MEASURES["detection"]
measures.main.of(setting)["mean"]             # setting["macro"]["f1"]["mean"]
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from wbc_jax.datasets.catalog import CELL_KINDS
from wbc_jax.reporting.pooled_text import ACCURACY, INTERVAL, figure_text
from wbc_jax.reporting.run_schema import FOUND_FIGURES


class Measure(NamedTuple):
    """One figure of every setting.

    Attributes:
        level: what it is taken over.
        name: of the figure.
        title: for readers.
        is_share: of 1, and more is better; else an error, of which less is better.
    """

    level: str
    name: str
    title: str
    is_share: bool = True

    def of(self, figures: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns `mean`, `sd`, `per_seed` and `interval` of a setting or of a difference."""
        found: Mapping[str, Any] = figures[self.level][self.name]
        return found

    def place_key(self, setting: Mapping[str, Any]) -> float:
        """Returns what settings are sorted by, the best first; one without the figure is last."""
        mean = float(self.of(setting)["mean"])
        if math.isnan(mean):
            return math.inf
        return -mean if self.is_share else mean

    def text(self, setting: Mapping[str, Any]) -> str:
        """Returns mean, deviation and interval of a setting."""
        return figure_text(self.of(setting), is_share=self.is_share)


class Measures(NamedTuple):
    """What is shown of a task's settings.

    Attributes:
        shown: the columns of a sweep's table. The first, a share, is the one that settings are
            sorted, drawn and compared by.
        pooled: the columns of the table of pooled runs.
        beside: what is drawn beside the bars of the first.
        is_guessed: whether guessing blindly gets one in as many as there are classes.
        listed: names of all figures of a spreadsheet, by level.
        noun: of the first, in a sentence.
        axis: its name in full, on an axis.
        main_in_words: the same behind "points of".
        pictured: what the test is made of, in the plural.
        counted: what is independent of each other in it, in the plural.
        definitions: of the figures and their intervals, for readers.
    """

    shown: tuple[Measure, ...]
    pooled: tuple[Measure, ...]
    beside: Measure | None
    is_guessed: bool
    listed: Mapping[str, tuple[str, ...]]
    noun: str
    axis: str
    main_in_words: str
    pictured: str
    counted: str
    definitions: tuple[str, ...]

    @property
    def main(self) -> Measure:
        """The first of those shown."""
        return self.shown[0]


POOLED = ("categorical_accuracy", "balanced_accuracy", "macro_f1")  # of a classifier
_OF_IMAGES = Measure("image", "categorical_accuracy", "Accuracy, images")
_OF_SMEARS = Measure("smear", "categorical_accuracy", "Accuracy, smears")
_OF_KINDS = (
    Measure("macro", "f1", "F1, mean of the kinds"),
    *(Measure(kind, "f1", f"F1, {kind}") for kind in CELL_KINDS),
    Measure("RBC", "count_mae", "Count error, RBC", is_share=False),
)
MEASURES = {
    "classification": Measures(
        shown=(_OF_IMAGES, _OF_SMEARS),
        pooled=(
            _OF_IMAGES,
            _OF_SMEARS,
            Measure("image", "balanced_accuracy", "Balanced accuracy, images"),
            Measure("image", "macro_f1", "Macro F1, images"),
        ),
        beside=_OF_SMEARS,
        is_guessed=True,
        listed={"image": POOLED, "smear": POOLED},
        noun="accuracy",
        axis="Categorical accuracy",
        main_in_words="accuracy over the test images",
        pictured="images",
        counted="smears",
        definitions=(
            ACCURACY,
            "A “smear” is one original photograph of a field, mostly with one white cell, not a "
            "slide and not a patient; of pictures of your own, whatever shares a folder.",
            f"Mean ± standard deviation over the seeds. {INTERVAL}",
        ),
    ),
    "detection": Measures(
        shown=_OF_KINDS,
        pooled=(*_OF_KINDS, Measure("RBC", "count_bias", "Count bias, RBC", is_share=False)),
        beside=None,
        is_guessed=False,
        listed={"macro": ("f1",), **dict.fromkeys(CELL_KINDS, FOUND_FIGURES)},
        noun="F1",
        axis="F1, mean of the kinds",
        main_in_words="F1 over the test pictures, mean of the kinds",
        pictured="pictures",
        counted="scenes",
        definitions=(
            "F1 = 2 x found / (cells + seeds), by kind; a cell is found by the seed that is paired "
            "with it, one to one and within half the shorter side of its box. Count error: seeds "
            "less cells in a picture, mean absolute; count bias: the same with its sign.",
            "Mean ± standard deviation over the seeds of the training. In brackets: 95 % interval "
            "of that mean, by bootstrap over scenes, which are places (pictures of one place are "
            "drawn together and for all seeds at once), and over seeds, made wider where seeds are "
            "few, as Student's t asks.",
        ),
    ),
}
