from pathlib import Path

from tests.reporting.conftest import fake_epochs
from wbc_jax.reporting import plots
from wbc_jax.reporting.figure_files import save_figure


def test_saved_figures_are_the_same_to_the_byte_and_carry_no_date(tmp_path: Path):
    saved = [
        save_figure(plots.loss_curves(fake_epochs(3), title="t"), tmp_path / name, "f", alt="Loss.")
        for name in ("a", "b")
    ]
    assert saved[0] == saved[1]
    assert (tmp_path / "a" / "f.svg").read_bytes() == saved[0].svg
    assert (tmp_path / "a" / "f.png").read_bytes() == saved[0].png
    assert b"<title>Loss.</title>" in saved[0].svg
    assert b"<dc:date>" not in saved[0].svg
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["f.png", "f.svg"]
