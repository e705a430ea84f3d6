"""A sweep's table for spreadsheets and for papers.

write_text(path, to_csv(settings, fields, measures))
write_text(path, to_latex(settings, measures, caption="..."))
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wbc_jax.reporting.csv_text import csv_text
from wbc_jax.reporting.measures import Measures
from wbc_jax.reporting.number_text import grouped
from wbc_jax.reporting.pooled_text import points_text

_COSTS = ("num_layers", "num_params", "multiply_adds")
_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def to_csv(settings: Sequence[Mapping[str, Any]], fields: Sequence[str], measures: Measures) -> str:
    """Returns one line per setting, unrounded; shares in [0, 1], cells per picture, seconds.

    Args:
        settings: as in sweep.json.
        fields: names of the config's fields that differ.
        measures: of the sweep's task.
    """
    return csv_text([_csv_row(one, fields, measures) for one in settings])


def _csv_row(one: Mapping[str, Any], fields: Sequence[str], measures: Measures) -> dict[str, Any]:
    units = f"num_{measures.counted}"
    row = {"setting": one["name"], "config": one["config"], "model": one["model"]}
    row |= {"dataset": one["dataset"], "protocol": one["protocol"], "is_leaky": one["is_leaky"]}
    row |= {name: one["fields"][name] for name in fields}
    row |= {"seeds": " ".join(map(str, one["seeds"])), units: one[units]}
    row |= {name: one[name] for name in _COSTS}
    row["wall_seconds"] = one["wall_seconds"]["mean"]
    for level, names in measures.listed.items():
        for name in names:
            row |= _columns(f"{level}_{name}", one[level][name])
    difference = one["difference"]
    row["against"] = "" if difference is None else one["against"]
    row |= _columns("difference", difference and measures.main.of(difference))
    return row


def _columns(name: str, summary: Mapping[str, Any] | None) -> dict[str, Any]:
    values: list[Any] = [None] * 4
    if summary is not None:
        values = [summary["mean"], summary["sd"], *summary["interval"]]
    return dict(
        zip((f"{name}_{part}" for part in ("mean", "sd", "low", "high")), values, strict=True)
    )


def to_latex(settings: Sequence[Mapping[str, Any]], measures: Measures, *, caption: str) -> str:
    """Returns a table for a paper, with the rules of the package booktabs.

    Args:
        settings: as in sweep.json.
        measures: of the sweep's task.
        caption: what was trained on what, in plain text.
    """
    titles = [measure.title for measure in measures.shown]
    heading = " & ".join(["Setting", "Parameters", *map(latex, titles), "Difference"])
    has_one = reference_name(settings) is not None
    rows = [
        " & ".join(
            [
                latex(one["name"]),
                grouped(one["num_params"]),
                *(latex(measure.text(one)) for measure in measures.shown),
                latex(_difference(one, measures, is_named=not has_one)),
            ]
        )
        for one in settings
    ]
    lines = [
        "% needs \\usepackage{booktabs}; research use only, not for diagnosis",
        r"\begin{table}",
        r"\centering",
        f"\\caption{{{latex(caption)}}}",
        rf"\begin{{tabular}}{{lr{'l' * len(titles)}l}}",
        r"\toprule",
        rf"{heading} \\",
        r"\midrule",
        # A bracket or a star would be taken for an option of the line's end before it.
        *(rf"{'{}' * row.startswith(('[', '*'))}{row} \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def reference_name(settings: Sequence[Mapping[str, Any]]) -> str | None:
    """Returns what the settings are compared with, where it is one for all; None for several."""
    names = {one["against"] for one in settings if one["difference"] is not None}
    return str(names.pop()) if len(names) == 1 else None


def _difference(one: Mapping[str, Any], measures: Measures, *, is_named: bool) -> str:
    if one["difference"] is None:
        return points_text(None)
    text = points_text(measures.main.of(one["difference"]))
    return f"{text} from {one['against']}" if is_named else text


def latex(text: str) -> str:
    """Returns plain text as LaTeX shows it."""
    escaped = "".join(_SPECIAL.get(letter, letter) for letter in text)
    # A minus before a number; elsewhere it is a hyphen.
    signed = re.sub(r"(?<![\w-])-(?=\d)", "$-$", escaped)
    for letter, shown in (("\u2212", "$-$"), ("±", r"$\pm$"), ("–", "--")):
        signed = signed.replace(letter, shown)
    return signed
