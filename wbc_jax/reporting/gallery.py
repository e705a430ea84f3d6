"""The page of a prediction: the differential count, and a card for every white cell.

write_gallery(output, summary, cards)                # -> .../gallery.html

Everything is inside the page. Without scripts it shows all cards in their order; its one script,
which alone its Content-Security-Policy allows, sorts and filters them.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from wbc_jax.atomic_files import write_text
from wbc_jax.nested import flatten
from wbc_jax.printable import printable
from wbc_jax.reporting import leaky, pages, paper

GALLERY = "gallery.html"
_MOST_FOLDERS = 200
_SETTINGS = ("input", "detector", "single_cells", "window", "temperature")


@dataclass(frozen=True)
class Why:
    """What an answer rests on.

    Attributes:
        grad_cam: JPEG of the map over the picture.
        occlusion: the same.
        agreement: rank correlation of both maps; None where it is not defined.
    """

    grad_cam: bytes
    occlusion: bytes
    agreement: float | None


@dataclass(frozen=True)
class Card:
    """A white cell.

    Attributes:
        image: the file it is in.
        cell: its number there.
        row: of its centre, pixels.
        column: the same across.
        answer: its class, or "uncertain".
        most_probable: its most probable class.
        confidence: that class's calibrated probability.
        probabilities: of each class by name.
        view: JPEG of what was classified.
        why: None where it was not asked for.
    """

    image: str
    cell: int
    row: float
    column: float
    answer: str
    most_probable: str
    confidence: float
    probabilities: Mapping[str, float]
    view: bytes
    why: Why | None = None


def write_gallery(output: Path, summary: Mapping[str, Any], cards: Sequence[Card]) -> Path:
    """Writes `gallery.html`.

    Args:
        output: folder.
        summary: what predictions.json says outside of `images`.
        cards: in the order of the pictures; all white cells, or some evenly spread over them.
    """
    script = (
        resources.files("wbc_jax.reporting").joinpath("templates/gallery.js").read_text("utf-8")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    page = pages.render(
        "gallery.html",
        summary=summary,
        model_title=paper.model_title(summary["run"]["model"]),
        cards=cards,
        made={name: summary[name] for name in _SETTINGS} | flatten({"run": summary["run"]}),
        script=script,
        script_digest=digest,
        jpeg=_data_uri,
        printable=printable,
        most_folders=_MOST_FOLDERS,
        leaky_words=leaky.WORDS,
        explained=any(card.why for card in cards),
    )
    path = output / GALLERY
    write_text(path, page)
    return path


def _data_uri(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"
