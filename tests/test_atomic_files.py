import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.damage import fail_on_a_full_disk
from wbc_jax.atomic_files import replacing, write_json, write_text


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


def test_a_full_disk_is_said_with_the_name_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing to a file that is open names none."""
    monkeypatch.setattr(Path, "write_bytes", fail_on_a_full_disk)
    with pytest.raises(OSError, match="No space") as raised:
        write_text(tmp_path / "a.md", "new")
    assert raised.value.filename == str(tmp_path / "a.md")


def test_two_writers_of_one_process_number_do_not_meet(tmp_path: Path) -> None:
    """As two containers are that share a folder: here they are of one process."""
    path = tmp_path / "a.bin"
    with replacing(path) as first:
        first.write_bytes(b"first")
        with replacing(path) as second:
            second.write_bytes(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


def test_what_fails_within_the_block_is_said_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half of")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write_half()
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


def test_json_has_no_nan_and_reads_back(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"sizes": (1, 2), "loss": float("nan"), "deep": [{"x": float("inf")}], 3: "µ"})
    assert json.loads(path.read_text()) == {
        "sizes": [1, 2],
        "loss": None,
        "deep": [{"x": None}],
        "3": "µ",
    }


def test_json_refuses_what_it_cannot_hold(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"array": np.zeros(2)})
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_utf8_is_escaped_and_read_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_json(tmp_path / "a.json", {"file": name})
    assert b"caf\\udce9.png" in (tmp_path / "a.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"file": name}
