"""Pictures in; cells, classes, calibrated probabilities and a differential count out.

print(predict(Path("runs/A"), Path("smears"), Path("out"), cache_dir=cache))
"""

import re
from pathlib import Path

import numpy as np

from wbc_jax.atomic_files import write_bytes
from wbc_jax.errors import UserError
from wbc_jax.evaluation.classifier import load_classifier
from wbc_jax.prediction.card_shelf import CardShelf
from wbc_jax.prediction.describe import Total, cells_of, describe_run, marks_of, say
from wbc_jax.prediction.looking import Seen, in_groups, look_at_all
from wbc_jax.prediction.pictures import find_pictures
from wbc_jax.prediction.predictor import Predictor
from wbc_jax.prediction.records import PredictionFiles, marked_before
from wbc_jax.reporting.annotation import annotate
from wbc_jax.reporting.gallery import write_gallery
from wbc_jax.reporting.output_folder import make_output_folder, require_apart
from wbc_jax.seeds.detection import load_detector

PICTURES = "pictures"
_STEM = 60  # characters of a picture's name that its marked copy keeps


def predict(
    run: Path,
    place: Path,
    output: Path,
    *,
    cache_dir: Path,
    detector: Path | None = None,
    single_cells: bool = False,
    window: int | None = None,
    why: bool = False,
) -> str:
    """Predicts every picture of a place; returns what to tell the user.

    Args:
        run: directory of a finished run.
        place: a picture, a folder of them (all below it) or a zip.
        output: folder for predictions.csv, predictions.json, gallery.html and pictures/.
        cache_dir: where prepared sets, arrays and kernels are kept.
        detector: directory of a trained detector; None: the classical one.
        single_cells: every picture shows one white cell, so none is looked for.
        window: side of the window around a white cell, pixels; None: as the run's.
        why: explain the cells of the gallery.

    Raises:
        UserError: run, pictures or detector are not there, no file is a picture, or the folder
            cannot be written.
    """
    pictures = find_pictures(place)
    _require_apart(place, output)
    classifier = load_classifier(run)
    detect = None if single_cells else load_detector(detector, cache_dir=cache_dir)
    predictor = Predictor(classifier, detect, window=window)
    head = describe_run(
        classifier, place=place, detector=detector, single_cells=single_cells, window=window
    )
    make_output_folder(output)
    marked = None if single_cells else _empty(output / PICTURES)
    total, shelf = Total(classifier.classes), CardShelf(classifier)
    with PredictionFiles(output, classifier.classes, head) as files:
        for group in in_groups(look_at_all(predictor, pictures, total.add_bad)):
            _answer(predictor, group, files, total, shelf, marked)
        if not total.num_images:
            raise UserError(
                f"input={place} holds no picture that can be read{total.first_bad()}; name a "
                "picture, a folder or a zip of them"
            )
        tail = total.describe()
        files.end(tail)
    summary = {**head, **tail}
    return say(summary, write_gallery(output, summary, shelf.cards(why=why)))


def _answer(
    predictor: Predictor,
    group: list[Seen],
    files: PredictionFiles,
    total: Total,
    shelf: CardShelf,
    marked: Path | None,
) -> None:
    """Classifies the windows of some pictures together and writes what was found in each."""
    inputs = np.concatenate([seen.sight.inputs for seen in group])
    probabilities = predictor.classify(inputs)
    certain = predictor.is_certain(probabilities)
    first = 0
    for name, sight in group:
        rows = slice(first, first + len(sight.inputs))
        first = rows.stop
        cells = cells_of(sight, probabilities[rows], certain[rows], predictor.classifier.classes)
        total.add(cells)
        width, height = sight.picture.size
        picture = {"image": name, "width": width, "height": height, "cells": cells}
        if marked is not None:
            file = f"{total.num_images:05d}-{_safe(name)}.jpg"
            write_bytes(marked / file, annotate(sight.picture, marks_of(cells, sight)))
            picture["marked"] = f"{PICTURES}/{file}"
        files.add(picture)
        shelf.add(name, cells, sight)


def _safe(name: str) -> str:
    """Returns the start of a file's own name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", Path(name).stem[:_STEM])


def _require_apart(place: Path, output: Path) -> None:
    """Else the pictures written would be taken for pictures to predict the next time."""
    require_apart(output, [place])
    if place.resolve().is_relative_to((output / PICTURES).resolve()):
        raise UserError(
            f"input={place} lies where workdir={output} keeps its marked pictures; name another "
            "workdir"
        )


def _empty(folder: Path) -> Path:
    """Makes the folder and removes what an earlier prediction says that it has left in it."""
    make_output_folder(folder)
    for name in marked_before(folder.parent):
        (folder / name).unlink(missing_ok=True)
    return folder
