"""What an audit found, for the terminal and in files.

page = write_audit(findings, Path("runs/audit-images"), show, rules=rules)   # audit.html, ...
print(audit_summary(findings, page))
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from wbc_jax.atomic_files import write_json, write_text
from wbc_jax.printable import printable
from wbc_jax.reporting import pages
from wbc_jax.reporting.audit_findings import HOW, Findings, Group, Pair
from wbc_jax.reporting.audit_plots import choose_groups, describe_pair, pair_sheet
from wbc_jax.reporting.figure_files import SavedFigure, save_figure
from wbc_jax.text_table import text_table

COLUMNS = (
    *("part_a", "file_a", "part_b", "file_b"),
    *("how", "hash_distance", "inliers", "correlation"),
)
_MOST_PRINTED = 20
_MOST_ON_PAGE = 500  # groups; all pairs are in pairs.tsv

Image = UInt8[ndarray, "_ _ 3"]
Show = Callable[[Pair], tuple[Image, Image]]


def write_audit(findings: Findings, output: Path, show: Show, *, rules: Mapping[str, Any]) -> Path:
    """Writes audit.json, pairs.tsv, audit.html and, where there are pairs, pairs.svg|png.

    Args:
        findings: what was found.
        output: a directory; it is made where it is missing.
        show: returns both pictures of a pair, 8-bit RGB.
        rules: thresholds it was found by, name -> value.

    Returns:
        The path of audit.html.
    """
    write_json(output / "audit.json", _as_json(findings, rules))
    lines = ["\t".join(COLUMNS), *("\t".join(_row(pair)) for pair in findings.pairs)]
    write_text(output / "pairs.tsv", "".join(f"{line}\n" for line in lines))
    page = pages.render(
        "audit.html",
        findings=findings,
        groups=findings.groups[:_MOST_ON_PAGE],
        how=HOW,
        rules=rules,
        figure=_save_figure(findings.groups, output, show),
        describe=describe_pair,
        printable=printable,
        warnings=_warnings(findings),
    )
    write_text(output / "audit.html", page)
    return output / "audit.html"


def audit_summary(findings: Findings, page: Path) -> str:
    """Returns what the terminal shows: counts, and the surest pair of the surest groups.

    Args:
        findings: what was found.
        page: where audit.html was written.
    """
    counts = [
        [part, f"{count:,}", f"{findings.twins[part]:,}"] for part, count in findings.parts.items()
    ]
    lines = [
        f"audit of {printable(findings.title)}",
        text_table(["part", "pictures", "with a twin in another part"], counts, indent="  "),
        *(f"  ! {warning}" for warning in _warnings(findings)),
    ]
    if not findings.pairs:
        lines += ["no pair was found: nothing known to this audit is on two sides"]
    else:
        lines += _pair_lines(findings)
    return "\n".join([*lines, f"report: {page}"])


def _pair_lines(findings: Findings) -> list[str]:
    counts = ", ".join(f"{n:,} by {how}" for how, n in findings.counts_by_how.items() if n)
    more = len(findings.groups) - _MOST_PRINTED
    rows = []
    for group in findings.groups[:_MOST_PRINTED]:
        first, second = (f"{part}/{file}" for part, file in group.pair.ends)
        sides = ", ".join(f"{n:,} in {part}" for part, n in group.counts.items())
        rows.append([group.name, f"{sides}: {first} = {second} ({describe_pair(group.pair)})"])
    lines = [
        f"{len(findings.pairs):,} pairs ({counts}); {findings.headline}, "
        "each with its surest pair:",
        text_table(["group", "pictures"], rows, num_left=2, indent="  "),
    ]
    if more > 0:
        lines.append(f"  and {more:,} more; all pairs are in pairs.tsv")
    return lines


def _warnings(findings: Findings) -> list[str]:
    warnings = list(findings.notes)
    if files := findings.unreadable:
        named = "; ".join(printable(f"{file} ({why})") for file, why in files[:3])
        more = f" and {len(files) - 3:,} more" if len(files) > 3 else ""
        plural = "file" if len(files) == 1 else "files"
        warnings.append(f"{len(files):,} {plural} could not be read: {named}{more}")
    return warnings


def _row(pair: Pair) -> list[str]:
    """Returns the fields of a pair as in pairs.tsv; what was not compared is empty."""
    bits, inliers = (
        "" if value is None else str(value) for value in (pair.hash_distance, pair.inliers)
    )
    correlation = "" if pair.correlation is None else f"{pair.correlation:.4f}"
    names = (printable(name) for end in pair.ends for name in end)
    return [*names, pair.how, bits, inliers, correlation]


def _as_json(findings: Findings, rules: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": printable(findings.title),
        "parts": {
            printable(part): {"pictures": count, "with_twin": findings.twins[part]}
            for part, count in findings.parts.items()
        },
        "num_pairs": len(findings.pairs),
        "num_pairs_by_how": findings.counts_by_how,
        "num_groups_on_two_sides": len(findings.groups),
        "num_smears_on_two_sides": findings.num_smears,
        "groups": [
            {
                "name": printable(group.name),
                "pictures": {printable(part): count for part, count in group.counts.items()},
                "surest_pair": {name: getattr(group.pair, name) for name in COLUMNS},
            }
            for group in findings.groups
        ],
        "unreadable": [
            {"file": printable(file), "reason": printable(why)} for file, why in findings.unreadable
        ],
        "notes": list(findings.notes),
        "rules": dict(rules),
    }


def _save_figure(groups: Sequence[Group], output: Path, show: Show) -> SavedFigure | None:
    """Draws pairs; without any, what an earlier audit drew there is taken away."""
    if not groups:
        for name in ("pairs.svg", "pairs.png"):
            (output / name).unlink(missing_ok=True)
        return None
    drawn = [(group, *show(group.pair)) for group in choose_groups(groups)]
    alt = f"{len(drawn)} pairs of pictures that show the same thing and lie in different parts."
    return save_figure(pair_sheet(drawn), output, "pairs", alt=alt)
