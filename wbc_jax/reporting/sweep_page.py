"""A sweep's figures as a page, as JSON, as CSV and as a LaTeX table.

write_sweep_page({"question": "...", "settings": [...], "trials": [...]}, Path("runs/sweeps/head"))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wbc_jax.atomic_files import write_json, write_text
from wbc_jax.reporting import leaky, pages, sweep_plots
from wbc_jax.reporting.figure_files import SavedFigure, save_figure
from wbc_jax.reporting.measures import MEASURES, Measures
from wbc_jax.reporting.notes import each_once
from wbc_jax.reporting.number_text import duration, grouped
from wbc_jax.reporting.pooled_text import images_text, points_text, unbroken
from wbc_jax.reporting.sweep_tables import reference_name, to_csv, to_latex

_FEW = 6  # settings from which on parallel coordinates show more than the table


@dataclass(frozen=True)
class Order:
    """A way to sort the table.

    Attributes:
        title: what is best first.
        places: of each setting.
    """

    title: str
    places: list[int]


def write_sweep_page(content: Mapping[str, Any], output: Path) -> Path:
    """Writes sweep.json, sweep.csv, sweep.tex, sweep.html and figures/ into `output`.

    Args:
        content: `title`, `question`, `command`, `folder`, `task`, `reference`, `fields` (names of
            those that differ), `settings` (best first; all of one test) and `trials`.
        output: a directory that exists.

    Returns:
        The path of sweep.html.
    """
    settings, fields = content["settings"], content["fields"]
    measures = MEASURES[content["task"]]
    write_json(output / "sweep.json", content)
    write_text(output / "sweep.csv", to_csv(settings, fields, measures))
    write_text(output / "sweep.tex", to_latex(settings, measures, caption=_caption(content)))
    page = pages.render(
        "sweep.html",
        content=content,
        settings=settings,
        measures=measures,
        leaky_protocols=[settings[0]["protocol"]] if settings[0]["is_leaky"] else [],
        leaky_words=leaky.WORDS,
        tested_on=_tested_on(settings, measures),
        against=reference_name(settings) or "its reference",
        remarks=_remarks(content),
        definitions=_definitions(measures),
        headings=_headings(fields, measures),
        rows=[_row(one, fields, measures) for one in settings],
        orders=_orders(settings, measures),
        figures=_save_figures(content, measures, output / "figures"),
        failed=[trial for trial in content["trials"] if trial["state"] != "finished"],
    )
    path = output / "sweep.html"
    write_text(path, page)
    return path


def _definitions(measures: Measures) -> list[str]:
    return [
        *measures.definitions,
        "Against the reference: the difference seed by seed, in percentage points of "
        f"{measures.main_in_words}. Both are tested on the same {measures.pictured}, and "
        f"{measures.counted} are drawn for both at once; so this interval, and not whether the two "
        "others overlap, says whether they differ.",
        "Layers are convolutions and dense layers; multiply-adds are those of one of the "
        f"{measures.pictured} forward. Wall time is that of a run on the machine it was trained "
        "on, to the end of its last epoch.",
    ]


def _caption(content: Mapping[str, Any]) -> str:
    settings, measures = content["settings"], MEASURES[content["task"]]
    seeds = sorted({seed for one in settings for seed in one["seeds"]})
    return (
        f"{content['question']} {_tested_on(settings, measures)}; seeds "
        f"{', '.join(map(str, seeds))}. Mean ± deviation over the seeds [95 % interval over "
        f"{measures.counted} and seeds]; differences from "
        f"{reference_name(settings) or 'the setting that is named'} in percentage points of "
        f"{measures.main_in_words}."
    )


def _tested_on(settings: Sequence[Mapping[str, Any]], measures: Measures) -> str:
    """Returns data set, protocol and size of the test, which is one for all settings."""
    first = settings[0]
    images = images_text(count for one in settings for count in one["num_images"])
    units = max(one[f"num_{measures.counted}"] for one in settings)  # of all seeds together
    protocol = leaky.name(first["protocol"], is_leaky=first["is_leaky"])
    return (
        f"{first['dataset']}, protocol {protocol}, {images} test {measures.pictured} of {units:,} "
        f"{measures.counted}"
    )


def _remarks(content: Mapping[str, Any]) -> list[str]:
    settings = content["settings"]
    texts = each_once({one["name"]: (*one["warnings"], *one["notes"]) for one in settings})
    missing = sum(trial["state"] != "finished" for trial in content["trials"])
    if missing:
        texts.append(
            f"{missing} of {len(content['trials'])} runs are not finished; they are listed below "
            "with their errors, and the same command runs them again."
        )
    finished = {one["name"] for one in settings}
    texts += [
        f"{name} has no finished run: nothing is said of the settings that are compared with it."
        for name in dict.fromkeys(one["against"] for one in settings)
        if name not in finished
    ]
    compared = sum(one["difference"] is not None for one in settings)
    if compared > 1:
        texts.append(
            f"{compared} settings are compared with {_with_what(settings)}: of twenty such "
            "comparisons one is outside its 95 % interval by chance alone. A setting that is "
            "chosen because it came out best here needs other test images to say how good it is."
        )
    return texts


def _with_what(settings: Sequence[Mapping[str, Any]]) -> str:
    return "others" if reference_name(settings) is None else "one"


def _headings(fields: Sequence[str], measures: Measures) -> list[str]:
    return [
        "",
        "Setting",
        *(name.rpartition(".")[2] for name in fields),
        "Seeds",
        "Layers",
        "Parameters",
        "Multiply-adds",
        "Wall time",
        *(measure.title for measure in measures.shown),
        "Against the reference",
    ]


def _row(one: Mapping[str, Any], fields: Sequence[str], measures: Measures) -> list[str]:
    cells = [
        str(one["rank"]),
        one["name"],
        *(one["fields"][name] for name in fields),
        str(len(one["seeds"])),
        str(one["num_layers"]),
        grouped(one["num_params"]),
        grouped(one["multiply_adds"]),
        duration(one["wall_seconds"]["mean"]),
        *(measure.text(one) for measure in measures.shown),
        points_text(one["difference"] and measures.main.of(one["difference"])),
    ]
    return [*cells[:2], *map(unbroken, cells[2:])]


def _orders(settings: Sequence[Mapping[str, Any]], measures: Measures) -> list[Order]:
    def order(title: str, values: list[float]) -> Order:
        ranked = sorted(range(len(values)), key=lambda place: values[place])
        return Order(title, [ranked.index(place) for place in range(len(values))])

    return [
        *(order(one.title, list(map(one.place_key, settings))) for one in measures.shown),
        order("Fewest layers", [one["num_layers"] for one in settings]),
        order("Fewest parameters", [one["num_params"] for one in settings]),
        order("Fewest multiply-adds", [one["multiply_adds"] for one in settings]),
        order("Least wall time", [one["wall_seconds"]["mean"] for one in settings]),
        order("As in the sweep's file", [one["place"] for one in settings]),
    ]


def _save_figures(
    content: Mapping[str, Any], measures: Measures, folder: Path
) -> dict[str, SavedFigure]:
    settings, fields, reference = (content[name] for name in ("settings", "fields", "reference"))
    listed = "; ".join(
        f"{one['rank']}: {one['name']}, {measures.main.text(one)}" for one in settings
    )
    noun, title = measures.noun, leaky.mark_several([one["is_leaky"] for one in settings])
    drawn = {
        "costs": (
            sweep_plots.costs(settings, measures, reference=reference, title=title),
            f"Test {noun} against layers, parameters, multiply-adds and wall time.",
        ),
        "curves": (
            sweep_plots.learning_curves(settings, measures, reference=reference, title=title),
            f"Test {noun} after each epoch, a line per setting.",
        ),
    }
    if any(one["difference"] for one in settings):
        drawn["differences"] = (
            sweep_plots.differences(settings, measures, title=title),
            f"Test {noun} less that of {reference_name(settings) or 'its reference'}, with "
            "intervals.",
        )
    if len(fields) > 1 and len(settings) >= _FEW:
        drawn["parallel"] = (
            sweep_plots.parallel_coordinates(settings, fields, measures, title=title),
            f"Parallel coordinates: the fields that differ, and {noun}.",
        )
    return {
        name: save_figure(figure, folder, name, alt=f"{title} {text} {listed}.".strip())
        for name, (figure, text) in drawn.items()
    }
