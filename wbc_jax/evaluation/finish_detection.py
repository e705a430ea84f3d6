"""The end of a detector's run: every test picture once, then seeds, figures and report.

results, headline = finish_detection(config, experiment, workdir, facts, maps)
"""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from wbc_jax import run_names
from wbc_jax.evaluation.detection_scores import (
    mean_figures,
    score_detections,
    sweep_thresholds,
)
from wbc_jax.evaluation.detections import Detections, write_detections
from wbc_jax.evaluation.results import PartLogits
from wbc_jax.reporting.detection_cards import write_detector_cards
from wbc_jax.reporting.detection_figures import draw_detections
from wbc_jax.reporting.detection_plots import Marks
from wbc_jax.reporting.detection_report import write_detection_report
from wbc_jax.reporting.run_files import read_detector_run
from wbc_jax.seeds.heat_maps import SeedReader
from wbc_jax.seeds.matching import Cells, cells_of_pictures
from wbc_jax.seeds.seed_points import KINDS, Seeds, above
from wbc_jax.training.detection import seed_reader
from wbc_jax.training.experiment import Experiment

_LOWEST = 0.05  # score of a seed that is written down, or the config's threshold below it


def finish_detection(
    config: ConfigDict,
    experiment: Experiment,
    workdir: Path,
    facts: dict[str, Any],
    maps: PartLogits,
) -> tuple[dict[str, Any], dict[str, float]]:
    """Writes seeds, cards and report of a trained detector; returns results and headline.

    Args:
        config: of the run.
        experiment: built from it.
        workdir: the run's directory.
        facts: what results of every task hold.
        maps: logits of every validation and test picture.
    """
    partition, reader = experiment.data.partition, seed_reader(config)
    # Below the thresholds, too: where they would lie better is a figure of its own.
    lowest = min(_LOWEST, *reader.thresholds)
    low = SeedReader(reader.stride, (lowest,) * len(KINDS), reader.apart)
    found = {
        name: ([low(one) for one in logits], cells_of_pictures(part), part)
        for name, logits, part in (
            ("validation", maps.validation, partition.validation),
            ("test", maps.test, partition.test),
        )
        if len(part.label)
    }
    figures, kept = {}, {}
    for name, (seeds, cells, part) in found.items():
        kept[name] = [above(one, reader.thresholds) for one in seeds]
        figures[name] = {
            **experiment.task.mean_metrics(getattr(maps, name), part),
            **score_detections(kept[name], cells, part.scene),
            "sweep": sweep_thresholds(seeds, cells),
            "with_red_cells": _with_red_cells(kept[name], cells),
        }
        file = run_names.DETECTIONS if name == "test" else run_names.VALIDATION_DETECTIONS
        write_detections(workdir / file, Detections(part.filename, part.scene, seeds, cells))
    results = {
        **facts,
        "task": "detection",
        "thresholds": dict(zip(KINDS, reader.thresholds, strict=True)),
        "validation": figures.get("validation"),
        "test": figures["test"],
    }
    _, cells, part = found["test"]
    drawn = draw_detections(
        results,
        config.train.loss,
        part.image,
        [Marks(one.rows, one.columns, one.kinds) for one in kept["test"]],
        [Marks(*one) for one in cells],
    )
    run = read_detector_run(workdir, results)
    write_detector_cards(run)
    write_detection_report(run, drawn)
    return results, {
        f"{name}_{kind}": results["test"]["per_kind"][kind][name]
        for kind in KINDS
        for name in ("f1", "count_mae")
    }


def _with_red_cells(seeds: list[Seeds], cells: list[Cells]) -> dict[str, Any]:
    """Returns the figures over the pictures in which somebody annotated red cells.

    There is no smear without them: where none is annotated, every one that is found counts as
    false.
    """
    chosen = [index for index, one in enumerate(cells) if (one.kinds == KINDS.index("RBC")).any()]
    return {
        "num_pictures": len(chosen),
        "per_kind": mean_figures([seeds[i] for i in chosen], [cells[i] for i in chosen])
        if chosen
        else None,
    }
