"""What a user gets wrong about provenance is one message, and said before the work."""

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from wbc_jax.errors import UserError
from wbc_jax.leakage import originals, provenance, recovery


def test_a_user_without_originals_is_told_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "images" / "TEST").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no original smears in data_dir=.*Original_Images"):
        originals.find_originals(tmp_path)


def test_labels_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("dataset-master/JPEGImages/BloodImage_00000.jpg", b"x")
    with pytest.raises(UserError, match=r"holds no labels\.csv: fetch the archive again"):
        originals.load_labels(originals.find_originals(tmp_path / "a.zip"))
    (tmp_path / "Original_Images").mkdir()
    (tmp_path / "Original_Images" / "BloodImage_00000.jpg").write_bytes(b"x")
    (tmp_path / "labels.csv").write_bytes("Image,Category\n0,Monocyté\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"labels\.csv must be UTF-8"):
        originals.load_labels(originals.find_originals(tmp_path))


def test_mistakes_on_the_command_line_are_one_message(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wbc_jax.leakage.provenance", f"--data_dir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: blood_cells: no images in data_dir=")
    assert "Traceback" not in done.stderr


def test_an_output_that_cannot_be_written_is_one_message_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "find_copies", lambda place: None)
    for name in ("find_originals", "load_labels", "names", "division"):
        monkeypatch.setattr(originals, name, lambda *_: ())
    monkeypatch.setattr(provenance, "find_nuclei", lambda images: pytest.fail("half an hour"))
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"file.* (is a file|cannot be written)"):
            provenance.provenance(tmp_path, output, processes=1, recorded=False, checks=False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOENT])
def test_a_disk_that_fills_up_is_one_message(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill_up(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "maps.tsv")

    monkeypatch.setattr(provenance, "provenance", fill_up)
    given = {"data_dir": "a", "output": "b", "processes": 1, "recorded": False, "checks": True}
    monkeypatch.setattr(provenance.flags, "FLAGS", SimpleNamespace(**given))
    if number == errno.ENOENT:  # a fault of ours
        with pytest.raises(OSError, match=r"maps\.tsv"):
            provenance.main([""])
        return
    with pytest.raises(SystemExit) as stopped:
        provenance.main([""])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: maps.tsv: No space left on device; make room")
