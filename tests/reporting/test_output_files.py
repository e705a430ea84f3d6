from pathlib import Path

import pytest

from tests.reporting.conftest import fake_epochs
from wbc_jax.reporting import plots
from wbc_jax.reporting.output_files import save_figure, write_text


def test_text_is_written_as_given_into_a_new_folder(tmp_path):
    path = tmp_path / "new" / "deep" / "a.md"
    write_text(path, "– %\n")
    assert path.read_bytes() == "– %\n".encode()
    write_text(path, "shorter")
    assert path.read_text() == "shorter"
    assert [file.name for file in path.parent.iterdir()] == ["a.md"]


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_failure_at_either_step_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "a.md"
    path.write_text("old")
    touched = []

    def fail(self, _):
        touched.append(self)
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, step, fail)
        with pytest.raises(OSError, match="no space"):
            write_text(path, "new")
    assert touched != [path], "the file itself is never opened for writing"
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.md"]


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
