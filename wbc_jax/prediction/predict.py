"""Pictures in; cells, classes, calibrated probabilities and a differential count out.

print(predict(Path("runs/A"), Path("smears"), Path("out")))
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from wbc_jax.atomic_files import remove_leftovers
from wbc_jax.errors import UserError
from wbc_jax.evaluation.classifier import load_classifier
from wbc_jax.prediction.card_shelf import CardShelf
from wbc_jax.prediction.describe import cells_of, describe_run, marks_of, say
from wbc_jax.prediction.looking import Seen, in_groups, look_at_all
from wbc_jax.prediction.marked_pictures import PICTURES, MarkedPictures, remove_marked
from wbc_jax.prediction.pictures import find_pictures
from wbc_jax.prediction.predictor import Predictor
from wbc_jax.prediction.records import CSV, DIFFERENTIAL, JSON, PredictionFiles, require_our_tables
from wbc_jax.prediction.total import Total
from wbc_jax.reporting.annotation import annotate
from wbc_jax.reporting.gallery import GALLERY, write_gallery
from wbc_jax.reporting.output_folder import (
    alone_in,
    make_output_folder,
    require_apart,
    require_may_be_written,
)
from wbc_jax.seeds.detection import load_detector
from wbc_jax.seeds.seed_points import KINDS
from wbc_jax.training.disk import disk_errors_named


def predict(
    run: Path,
    place: Path,
    output: Path,
    *,
    detector: Path | None = None,
    single_cells: bool = False,
    window: int | None = None,
    why: bool = False,
) -> str:
    """Predicts every picture of a place; returns what to tell the user.

    Args:
        run: directory of a finished run.
        place: a picture, a folder of them (all below it) or a zip.
        output: folder for predictions.csv and .json, differential.csv, gallery.html and pictures/.
        detector: directory of a trained detector; None: the classical one.
        single_cells: every picture shows one white cell, so none is looked for.
        window: side of the window around a white cell, pixels; None: as the run's.
        why: explain the cells of the gallery.

    Raises:
        UserError: run, pictures or detector are not there, no file is a picture, a window or an
            detector is named that nothing asks for, an explanation that the run cannot give, or the
            folder cannot be written or holds another's predictions.csv or differential.csv.
    """
    pictures = find_pictures(place)
    _require_apart(place, output)
    if single_cells and detector is not None:
        raise UserError(
            f"detector={detector}: with --single_cells no cell is looked for; leave one of the two "
            "out"
        )
    require_may_be_written(output)
    require_our_tables(output)
    classifier = load_classifier(run)
    if single_cells and window is not None and classifier.settings.view == "whole":
        raise UserError(
            f"window={window}: the run in {run} takes whole pictures of single cells (data.view="
            "whole); leave --window out, or crop the pictures"
        )
    detect = None if single_cells else load_detector(detector)
    predictor = Predictor(classifier, detect, window=window)
    head = describe_run(
        classifier, place=place, detector=detector, single_cells=single_cells, window=window
    )
    kinds = ("WBC",) if single_cells else KINDS
    total = Total(classifier.classes, kinds, folder_of=pictures.folder_of)
    shelf = CardShelf(classifier, why=why)
    make_output_folder(output)
    with ExitStack() as stack:
        stack.enter_context(alone_in(output))
        for name in (CSV, JSON, DIFFERENTIAL, GALLERY, PICTURES):  # of a prediction that was killed
            remove_leftovers(output / name)
        stack.enter_context(disk_errors_named(output))
        files = stack.enter_context(PredictionFiles(output, classifier.classes, head))
        marked = None if single_cells else stack.enter_context(MarkedPictures(output))
        for group in in_groups(look_at_all(predictor, pictures, total.add_bad)):
            _answer(predictor, group, files, total, shelf, marked)
        if not total.num_images:
            raise UserError(
                f"input={place} holds no picture that can be read{total.first_bad()}; name a "
                "picture, a folder or a zip of them"
            )
        cards, tail = shelf.cards(), total.describe()
        files.end(tail)
        # Up to here nothing of an earlier prediction was touched.
        summary = {**head, **tail}
        page = write_gallery(output, summary, cards)
        if marked is None:
            remove_marked(output)
        else:
            marked.end()
    return say(summary, page)


def _answer(
    predictor: Predictor,
    group: list[Seen],
    files: PredictionFiles,
    total: Total,
    shelf: CardShelf,
    marked: MarkedPictures | None,
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
        total.add(name, cells)
        width, height = sight.picture.size
        picture = {"image": name, "width": width, "height": height, "cells": cells}
        if marked is not None:
            jpeg = annotate(sight.picture, marks_of(cells, sight))
            picture["marked"] = marked.add(total.num_images, name, jpeg)
        files.add(picture)
        shelf.add(name, cells, sight)


def _require_apart(place: Path, output: Path) -> None:
    """Else the pictures written would be taken for pictures to predict the next time."""
    require_apart(output, [place])
    if place.resolve().is_relative_to((output / PICTURES).resolve()):
        raise UserError(
            f"input={place} lies where workdir={output} keeps its marked pictures; name another "
            "workdir"
        )
