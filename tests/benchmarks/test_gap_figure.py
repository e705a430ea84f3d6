"""The gap is drawn again from the figures that are kept beside it."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import gap_figure
from wbc_jax.errors import UserError

KEPT = Path(__file__).parents[2] / "docs" / "figures" / "gap.json"


def test_the_kept_figures_draw_the_picture_in_the_docs(tmp_path: Path) -> None:
    gap_figure.main([str(KEPT), f"--plot={tmp_path / 'gap'}"])
    # Its title says every figure in words; the drawing's own bytes are those of one matplotlib.
    drawn, kept = (
        re.findall("<dc:title>(.*?)</dc:title>", path.read_text(encoding="utf-8"), re.DOTALL)
        for path in (tmp_path / "gap.svg", KEPT.with_suffix(".svg"))
    )
    assert drawn == kept
    assert kept[0].count(" under ") == 12


def test_what_is_no_pooled_file_is_refused(tmp_path: Path) -> None:
    for name, text, said in (
        ("missing.json", None, "cannot be read"),
        ("broken.json", "{", "holds no pooled figures"),
        ("other.json", json.dumps({"groups": [{"model": "cnn"}]}), "holds no pooled figures"),
    ):
        if text is not None:
            (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=said):
            gap_figure.main([str(tmp_path / name), f"--plot={tmp_path / 'gap'}"])
    with pytest.raises(UserError, match="--plot is missing"):
        gap_figure.main([str(KEPT)])
