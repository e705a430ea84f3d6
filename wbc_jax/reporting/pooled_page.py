"""Pooled figures as JSON, as tables to read and as the figure of the gap between protocols.

write_pooled({"task": "classification", "protocols": [...], "groups": [...]}, Path("runs/pooled"))
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wbc_jax.atomic_files import write_json, write_text
from wbc_jax.reporting import leaky, pages, pool_plots
from wbc_jax.reporting.figure_files import save_figure
from wbc_jax.reporting.markdown import markdown_row
from wbc_jax.reporting.measures import MEASURES, Measures
from wbc_jax.reporting.notes import each_once
from wbc_jax.reporting.number_text import NO_VALUE, percent
from wbc_jax.reporting.pool_plots import network_name, protocol_name
from wbc_jax.reporting.pooled_text import images_text, points_text, unbroken

_NUM_TEXTS = 2  # the first columns are words
_HARD_HEADINGS = (
    "Network",
    "Protocol",
    "Smear",
    "Labelled",
    "Answered",
    "Probability of the label",
    "Seeds",
    "Share of the test images",
)
_MOST_HARD = 12  # of one setting that are listed; pooled.json has them all
HARD_WORDS = (
    "Smears that every seed answers wrongly, the largest first. Other weights do not help there: "
    "the label may be worth a second look, or the training smears show no such cell."
)
_GAPS = {
    "train": "Train \u2212 test, points",
    "train_at_rest": "Train at rest \u2212 test, points",
}


def write_pooled(pooled: Mapping[str, Any], output: Path) -> Path:
    """Writes pooled.json, pooled.md, pooled.html and figures/gap.svg|png into `output`.

    Args:
        pooled: `task`, `intervals` (how they were made), `protocols` (in order), and `groups`: for
            each setting its network, recipe, protocol, seeds, figures and the fields in which it
            differs from others.
        output: a directory; it is made where it is missing.

    Returns:
        The path of pooled.html.
    """
    groups, measures = pooled["groups"], MEASURES[pooled["task"]]
    write_json(output / "pooled.json", pooled)
    texts = each_once(
        {f"{network_name(g)}, {protocol_name(g)}": (*g["warnings"], *g["notes"]) for g in groups}
    )
    rows = [_headings(groups, measures), *(_row(group, measures) for group in groups)]
    settings, definitions = _settings_table(groups), _definitions(groups, measures)
    hard = [row for group in groups for row in _hard_rows(group)]
    write_text(output / "pooled.md", _markdown(rows, settings, hard, texts, definitions))
    page = pages.render(
        "pooled.html",
        task=pooled["task"],
        leaky_protocols=list(dict.fromkeys(g["protocol"] for g in groups if g["is_leaky"])),
        leaky_words=leaky.WORDS,
        remarks=texts,
        definitions=definitions,
        measures=measures,
        headings=rows[0],
        num_texts=_NUM_TEXTS,
        rows=[[*row[:_NUM_TEXTS], *map(unbroken, row[_NUM_TEXTS:])] for row in rows[1:]],
        settings=settings,
        hard_headings=_HARD_HEADINGS,
        hard_words=HARD_WORDS,
        hard=hard,
        gap=save_figure(
            pool_plots.gap(groups, pooled["protocols"], measures),
            output / "figures",
            "gap",
            alt=gap_in_words(groups, measures),
        ),
        runs=[(f"{network_name(g)}, {protocol_name(g)}", g["runs"]) for g in groups],
    )
    path = output / "pooled.html"
    write_text(path, page)
    return path


def _headings(groups: Sequence[Mapping[str, Any]], measures: Measures) -> list[str]:
    return [
        "Network",
        "Protocol",
        "Seeds",
        "Folds",
        f"Test {measures.pictured}",
        f"Test {measures.counted}",
        *(measure.title for measure in measures.pooled),
        *(_GAPS.values() if "train_test_gap" in groups[0] else ()),
    ]


def _row(group: Mapping[str, Any], measures: Measures) -> list[str]:
    gaps = group.get("train_test_gap")  # of classifiers
    return [
        network_name(group),
        protocol_name(group),
        str(len(group["seeds"])),
        str(len(group["folds"])),
        images_text(group["num_images"]),
        f"{group[f'num_{measures.counted}']:,}",
        *(measure.text(group) for measure in measures.pooled),
        *(points_text(gaps[part]) for part in _GAPS if gaps),
    ]


def _definitions(groups: Sequence[Mapping[str, Any]], measures: Measures) -> list[str]:
    unit = measures.counted.removesuffix("s")
    gaps = (
        "Train \u2212 test: categorical accuracy on training images less that on test images, in "
        "percentage points, mean over the last half of the epochs. While training, images are "
        "augmented and the weights still change; at rest they are measured as the test is "
        "(--config.eval.train_at_rest=True)."
    )
    return [
        *measures.definitions,
        "Seeds: of the weights, the order and, where a protocol divides at random, of the "
        "division. A single seed has no deviation. More seeds of the same test "
        f"{measures.counted} narrow the interval only as far as the seeds differ.",
        f"Folds: their test parts are put together seed by seed, so that every {unit} is tested "
        "once.",
        *([gaps] if "train_test_gap" in groups[0] else []),
        f"Test {measures.pictured}: per seed. Test {measures.counted}: different ones over all "
        "seeds.",
    ]


def _hard_rows(group: Mapping[str, Any]) -> list[list[str]]:
    classes = group["classes"]
    return [
        [
            network_name(group),
            protocol_name(group),
            smear["name"],
            classes[smear["label"]],
            classes[smear["answer"]],
            percent(smear["probability"]),
            str(smear["num_seeds"]),
            percent(smear["share"]),
        ]
        for smear in group.get("always_wrong", [])[:_MOST_HARD]
    ]


def _settings_table(groups: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Returns a heading and a row per field in which the groups differ; empty where in none."""
    fields = list(groups[0]["settings"])
    if not fields:
        return []
    heading = ["Field", *(f"{network_name(g)}, {g['protocol']}" for g in groups)]
    return [heading, *([name, *(_value(g["settings"][name]) for g in groups)] for name in fields)]


def _value(value: Any) -> str:
    if value is None:
        return NO_VALUE
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _markdown(
    rows: Sequence[Sequence[str]],
    settings: Sequence[Sequence[str]],
    hard: Sequence[Sequence[str]],
    texts: Sequence[str],
    definitions: Sequence[str],
) -> str:
    lines = ["# Pooled figures: each network under each protocol", ""]
    lines += [f"> **Note:** {remark}\n" for remark in texts]
    aligns = [":--" if place < _NUM_TEXTS else "--:" for place in range(len(rows[0]))]
    lines += [markdown_row(cells) for cells in (rows[0], aligns, *rows[1:])]
    lines += ["", *(f"- {text}" for text in definitions)]
    if settings:
        lines += ["", "## Fields of the config in which they differ", ""]
        aligns = [":--"] * len(settings[0])
        lines += [markdown_row(cells) for cells in (settings[0], aligns, *settings[1:])]
    if hard:
        lines += ["", "## Hard smears", "", HARD_WORDS, ""]
        aligns = [":--"] * 5 + ["--:"] * 3
        lines += [markdown_row(cells) for cells in (_HARD_HEADINGS, aligns, *hard)]
    lines += ["", "Research use only, not for diagnosis.", ""]
    return "\n".join(lines)


def gap_in_words(groups: Sequence[Mapping[str, Any]], measures: Measures) -> str:
    """Returns what the figure of the gap shows, for those who cannot see it."""
    names = [f"{network_name(g)} under {protocol_name(g)}" for g in groups]
    figures = [measures.main.text(group) for group in groups]
    listed = "; ".join(f"{name}: {text}" for name, text in zip(names, figures, strict=True))
    return f"Bar chart: {measures.axis}, test, networks by protocols. {listed}."
