"""The table and the JSON file, whatever a picture is called."""

import csv
import errno
import json
import os
from pathlib import Path
from typing import TextIO

import pytest

from wbc_jax.errors import UserError
from wbc_jax.prediction.differential import differential
from wbc_jax.prediction.records import PredictionFiles, require_our_tables

FOLDERS = {
    name: {
        "num_images": 3,
        "num_bad_files": 2,
        "counts": {"RBC": 9, "WBC": 4},
        "differential": differential({"a": count, "b": 0}, {"b": 1}),
    }
    for name, count in (("s1", 3), ("caf\udce9", 0))
}
TAIL = {"tail": None, "folders": FOLDERS}
NAMES = ["plain.png", 'with "quotes", commas.png', "line\nbreak.png", "caf\udce9.png", "ß/中.png"]


def write(folder: Path) -> None:
    with PredictionFiles(folder, ["a", "b"], {"head": 1, "input": "caf\udce9"}) as files:
        for name in NAMES:
            cell = {"cell": 1, "row": 2.5, "column": 3.0, "kind": "WBC", "score": None}
            answer = {"class": "a", "confidence": 0.75, "most_probable": "a"}
            shares = {"probabilities": {"a": 0.75, "b": 0.25}}
            files.add({"image": name, "cells": [cell | answer | shares]})
        files.end(TAIL)


def test_json_gives_every_name_back(tmp_path: Path) -> None:
    write(tmp_path)
    content = json.loads((tmp_path / "predictions.json").read_text(encoding="utf-8"))
    assert [image["image"] for image in content["images"]] == NAMES
    assert (content["head"], content["tail"]) == (1, None)
    assert list(content) == ["head", "input", "images", "tail", "folders"]
    assert content["input"] == NAMES[3].removesuffix(".png")


def test_the_table_has_one_row_a_cell(tmp_path: Path) -> None:
    write(tmp_path)
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name.replace("\udce9", r"\udce9") for name in NAMES]
    assert [row["image"] for row in rows] == names
    assert rows[0] == {
        "image": "plain.png",
        "cell": "1",
        "row": "2.5",
        "column": "3",
        "kind": "WBC",
        "score": "",
        "class": "a",
        "confidence": "0.75",
        "most_probable": "a",
        "p_a": "0.75",
        "p_b": "0.25",
    }


def test_each_folder_is_a_row_of_the_differential_count(tmp_path: Path) -> None:
    write(tmp_path)
    with (tmp_path / "differential.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["folder"] for row in rows] == ["s1", r"caf\udce9"]
    low, high = FOLDERS["s1"]["differential"]["classes"]["b"]["interval"]
    assert rows[0] == {
        "folder": "s1",
        **{"pictures": "3", "left_out": "2", "RBC": "9", "WBC": "4"},
        **{"answered": "3", "uncertain": "1", "uncertain_a": "0", "uncertain_b": "1"},
        **{"a": "3", "share_a": "1", "low_a": rows[0]["low_a"], "high_a": "1"},
        **{"b": "0", "share_b": "0", "low_b": f"{low:.8g}", "high_b": f"{high:.8g}"},
    }
    assert 0 < float(rows[0]["low_a"]) < 1
    assert {rows[1][f"{column}_a"] for column in ("share", "low", "high")} == {""}


def test_no_picture_is_an_empty_list(tmp_path: Path) -> None:
    with PredictionFiles(tmp_path, ["a"], {"head": 1}) as files:
        files.end(TAIL)
    content = json.loads((tmp_path / "predictions.json").read_text(encoding="utf-8"))
    assert content == {"head": 1, "images": [], **TAIL}


def test_a_table_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    require_our_tables(tmp_path)  # nothing is there
    write(tmp_path)
    require_our_tables(tmp_path)
    for name in ("predictions.csv", "differential.csv"):
        ours = (tmp_path / name).read_bytes()
        for theirs in (b"image,label\na.png,monocyte\n", b"", b"\xff\x00"):
            (tmp_path / name).write_bytes(theirs)
            with pytest.raises(UserError, match=f"{name} was not written by a prediction"):
                require_our_tables(tmp_path)
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()
        with pytest.raises(UserError, match=f"{name} was not written by a prediction"):
            require_our_tables(tmp_path)
        (tmp_path / name).rmdir()
        (tmp_path / name).write_bytes(ours)


def test_what_breaks_off_leaves_the_files_of_before(tmp_path: Path) -> None:
    write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    files = PredictionFiles(tmp_path, ["a", "b"], {"head": 2})
    with pytest.raises(RuntimeError, match="broke off"), files:
        raise RuntimeError("broke off")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_files_that_cannot_be_ended_leave_those_of_before_and_no_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, where what was written fails when it is flushed, again and again."""
    write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    files = PredictionFiles(tmp_path, ["a", "b"], {"head": 2})

    class Full:
        def __init__(self, file: TextIO) -> None:
            self._file = file

        def write(self, text: str) -> int:
            return self._file.write(text)

        def close(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_table", Full(files._table))
    with pytest.raises(OSError, match="No space left"), files:
        files.end(TAIL)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_fails_after_their_end_leaves_the_files_of_before(tmp_path: Path) -> None:
    write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    files = PredictionFiles(tmp_path, ["a", "b"], {"head": 2})

    def end_and_fail() -> None:
        files.end(TAIL)
        raise RuntimeError("the gallery could not be written")

    with pytest.raises(RuntimeError, match="the gallery"), files:
        end_and_fail()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
