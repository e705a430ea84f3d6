"""A sweep's table for spreadsheets and for papers.

write_text(path, to_csv(settings, fields))
write_text(path, to_latex(settings, caption="..."))
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wbc_jax.reporting.csv_text import csv_text
from wbc_jax.reporting.number_text import grouped
from wbc_jax.reporting.pooled_text import figure_text, points_text

METRIC = "categorical_accuracy"  # the one that settings are sorted, drawn and judged by
_METRICS = (METRIC, "balanced_accuracy", "macro_f1")
_COSTS = ("num_layers", "num_params", "multiply_adds")
_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def to_csv(settings: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> str:
    """Returns one line per setting, unrounded; shares in [0, 1], seconds.

    Args:
        settings: as in sweep.json.
        fields: names of the config's fields that differ.
    """
    return csv_text([_csv_row(one, fields) for one in settings])


def _csv_row(one: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    row = {"setting": one["name"], "config": one["config"], "model": one["model"]}
    row |= {"dataset": one["dataset"], "protocol": one["protocol"], "is_leaky": one["is_leaky"]}
    row |= {name: one["fields"][name] for name in fields}
    row |= {"seeds": " ".join(map(str, one["seeds"])), "num_smears": one["num_smears"]}
    row |= {name: one[name] for name in _COSTS}
    row["wall_seconds"] = one["wall_seconds"]["mean"]
    for level in ("image", "smear"):
        for name in _METRICS:
            row |= _columns(f"{level}_{name}", one[level][name])
    difference = one["difference"]
    row["against"] = "" if difference is None else one["against"]
    row |= _columns("difference", difference and difference["image"][METRIC])
    return row


def _columns(name: str, summary: Mapping[str, Any] | None) -> dict[str, Any]:
    values: list[Any] = [None] * 4
    if summary is not None:
        values = [summary["mean"], summary["sd"], *summary["interval"]]
    return dict(
        zip((f"{name}_{part}" for part in ("mean", "sd", "low", "high")), values, strict=True)
    )


def to_latex(settings: Sequence[Mapping[str, Any]], *, caption: str) -> str:
    """Returns a table for a paper, with the rules of the package booktabs.

    Args:
        settings: as in sweep.json.
        caption: what was trained on what, in plain text.
    """
    heading = "Setting & Parameters & Accuracy, images & Accuracy, smears & Difference"
    has_one = reference_name(settings) is not None
    rows = [
        " & ".join(
            [
                latex(one["name"]),
                grouped(one["num_params"]),
                *(latex(figure_text(one[level][METRIC])) for level in ("image", "smear")),
                latex(_difference(one, is_named=not has_one)),
            ]
        )
        for one in settings
    ]
    lines = [
        "% needs \\usepackage{booktabs}; research use only, not for diagnosis",
        r"\begin{table}",
        r"\centering",
        f"\\caption{{{latex(caption)}}}",
        r"\begin{tabular}{lrlll}",
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


def _difference(one: Mapping[str, Any], *, is_named: bool) -> str:
    if one["difference"] is None:
        return points_text(None)
    text = points_text(one["difference"]["image"][METRIC])
    return f"{text} from {one['against']}" if is_named else text


def latex(text: str) -> str:
    """Returns plain text as LaTeX shows it."""
    escaped = "".join(_SPECIAL.get(letter, letter) for letter in text)
    # A minus before a number; elsewhere it is a hyphen.
    signed = re.sub(r"(?<![\w-])-(?=\d)", "$-$", escaped)
    for letter, shown in (("\u2212", "$-$"), ("±", r"$\pm$"), ("–", "--")):
        signed = signed.replace(letter, shown)
    return signed
