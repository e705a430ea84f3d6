"""Names that others gave are shown on every page and run on none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.html_page import check_page
from wbc_jax.evaluation.pool import pool
from wbc_jax.reporting.audit_findings import Findings, Group, Pair
from wbc_jax.reporting.audit_report import write_audit
from wbc_jax.reporting.compare import compare
from wbc_jax.reporting.report import write_report
from wbc_jax.reporting.run_files import read_run

SCRIPT = "<script>alert(1)</script>"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;"
CLASSES = (SCRIPT, "<img src=x onerror=alert(2)>", "\"' onload='alert(3)", "{{ 7 * 7 }}")


@pytest.fixture
def hostile(
    make_run: Callable[..., Path], edit_json: Callable[[Path, Any], None]
) -> Callable[[str, int], Path]:
    """Makes a run whose classes, files, smears, data set, warnings and settings are scripts."""

    def make(name: str, seed: int) -> Path:
        path = make_run(
            name,
            seed=seed,
            classes=CLASSES,
            prefix=SCRIPT,
            dataset=SCRIPT,
            protocol=SCRIPT,
            warnings=(SCRIPT,),
            model=SCRIPT,
        )
        bad = [{"file": SCRIPT, "reason": SCRIPT}] * 25
        edit_json(path / "dataset.json", lambda data: data.update(bad_images=bad))
        edit_json(path / "environment.json", lambda data: data.update(command=["python", SCRIPT]))
        return path

    return make


def require_shown_and_not_run(page: Path) -> str:
    source = page.read_text(encoding="utf-8")
    check_page(source)  # no script, no handler, nothing fetched
    assert SHOWN in source
    assert "<script" not in source
    assert "<img src=x" not in source
    assert "&lt;img src=x" in source or page.name != "report.html"
    return source


def test_a_report(hostile: Any, images: np.ndarray, unsaved_figures: None) -> None:
    source = require_shown_and_not_run(write_report(read_run(hostile("run", 0)), images))
    assert f"{SHOWN}/0000.jpeg" in source
    assert "{{ 7 * 7 }}" in source


def test_a_report_lists_what_was_left_out(
    hostile: Any, images: np.ndarray, unsaved_figures: None
) -> None:
    page = check_page(write_report(read_run(hostile("run", 0)), images).read_text(encoding="utf-8"))
    (caption,) = [title for title in page.tables if title.startswith("Files that could not")]
    assert "the first 20 of 25, all are in dataset.json" in caption
    assert page.tables[caption] == [["File", "Reason"], *[[SCRIPT, SCRIPT]] * 20]


def test_a_comparison(hostile: Any, tmp_path: Path) -> None:
    compare([hostile("a", 0), hostile("b", 1)], tmp_path / "out")
    require_shown_and_not_run(tmp_path / "out" / "compare.html")


def test_pooled_runs(hostile: Any, tmp_path: Path) -> None:
    pool([hostile("a", 0), hostile("b", 1)], tmp_path / "out")
    require_shown_and_not_run(tmp_path / "out" / "pooled.html")


def test_pooled_runs_carry_the_warnings_of_all(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    runs = [make_run("a", warnings=("First.",)), make_run("b", seed=1, warnings=("Second.",))]
    pool(runs, tmp_path / "out")
    (group,) = json.loads((tmp_path / "out" / "pooled.json").read_text("utf-8"))["groups"]
    assert group["warnings"] == ["First.", "Second."]


def test_an_audit(tmp_path: Path) -> None:
    pair = Pair(SCRIPT, f"{SCRIPT}.png", "<b>test</b>", f"{SCRIPT}.png", "bytes")
    findings = Findings(
        title=SCRIPT,
        parts={SCRIPT: 1, "<b>test</b>": 1},
        twins={SCRIPT: 1, "<b>test</b>": 1},
        pairs=[pair],
        groups=[Group(SCRIPT, {SCRIPT: 1, "<b>test</b>": 1}, pair)],
        unreadable=[(SCRIPT, SCRIPT)],
        notes=[SCRIPT],
    )
    black = np.zeros((8, 8, 3), np.uint8)
    page = write_audit(findings, tmp_path, lambda pair: (black, black), rules={SCRIPT: SCRIPT})
    source = require_shown_and_not_run(page)
    assert "<b>test" not in source
    assert "<script" not in (tmp_path / "pairs.svg").read_text(encoding="utf-8")
