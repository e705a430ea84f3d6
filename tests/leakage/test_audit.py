"""Leaks are found, and nothing else: in folders, in zips and in divisions of a data set."""

import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.leakage.smear_files import copy_of, draw, put, write_copies
from wbc_jax.data.examples import Examples
from wbc_jax.datasets.blood_cells import source
from wbc_jax.datasets.blood_cells.sources import smear_of
from wbc_jax.errors import UserError
from wbc_jax.leakage.audit import audit_division, audit_folder
from wbc_jax.leakage.audit_run import run_on_input
from wbc_jax.reporting.audit_findings import Findings

Launch = Callable[..., subprocess.CompletedProcess[str]]
SHARED = (2, 3)  # smears with copies in both parts of `leaky`


@pytest.fixture(scope="module")
def leaky_findings(leaky: Path) -> Findings:
    return audit_folder(leaky)


def smear_in(file: str) -> int:
    return int(Path(file).stem.removeprefix("smear").partition("_")[0])


def test_every_copy_of_a_smear_on_two_sides_is_found_and_no_other(
    leaky_findings: Findings,
) -> None:
    pairs = leaky_findings.pairs
    assert {(pair.part_a, pair.part_b) for pair in pairs} == {("test", "train")}
    assert {(smear_in(pair.file_a), smear_in(pair.file_b)) for pair in pairs} == {
        (smear, smear) for smear in SHARED
    }
    assert len({(pair.file_a, pair.file_b) for pair in pairs}) == len(pairs) == 2 * 2 * 2
    assert leaky_findings.twins == {"test": 4, "train": 4}
    assert [dict(group.counts) for group in leaky_findings.groups] == 2 * [{"test": 2, "train": 2}]
    assert all(pair.inliers is not None and pair.inliers >= 10 for pair in pairs)
    assert all(pair.correlation is not None and pair.correlation > 0.9 for pair in pairs)


def test_a_clean_division_has_no_pair(clean: Path) -> None:
    findings = audit_folder(clean)
    assert findings.parts == {"test": 4, "train": 4}
    assert (findings.pairs, findings.groups, findings.notes) == ([], [], [])


def test_another_name_another_format_and_another_orientation(clean: Path) -> None:
    pixels = np.array(Image.open(io.BytesIO(copy_of(0, 0))))
    put(clean / "test", "renamed.jpg", copy_of(0, 0))
    put(clean / "test", "as_png.png", pixels)
    whole = draw(8).picture
    put(clean / "train", "whole.png", whole)
    put(clean / "test", "mirrored.png", whole[:, ::-1])
    put(clean / "test", "turned.jpg", whole.transpose(1, 0, 2))
    Image.fromarray(whole).resize((200, 150)).save(clean / "test" / "small.jpg")
    findings = audit_folder(clean)
    found = {(pair.file_a, pair.how) for pair in findings.pairs if "0_1" not in pair.file_b}
    assert found == {
        ("renamed.jpg", "bytes"),
        ("as_png.png", "pixels"),
        ("mirrored.png", "hash"),
        ("turned.jpg", "hash"),
        ("small.jpg", "hash"),
    }
    assert sorted(sum(group.counts.values()) for group in findings.groups) == [4, 4]


def test_three_parts_are_compared_with_each_other(clean: Path) -> None:
    write_copies(clean / "val", [1], [5])
    findings = audit_folder(clean)
    assert {(pair.part_a, pair.part_b) for pair in findings.pairs} == {("train", "val")}
    assert audit_folder(clean, wanted=("test", "val")).pairs == []


def test_the_result_is_the_same_again_and_in_a_zip(
    leaky: Path, leaky_findings: Findings, tmp_path: Path
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "set"), "zip", leaky.parent, leaky.name))
    findings = audit_folder(archive / leaky.name)
    assert (findings.pairs, findings.groups) == (leaky_findings.pairs, leaky_findings.groups)


def test_a_broken_picture_is_named_and_the_rest_goes_on(clean: Path) -> None:
    put(clean / "test", "cut.jpeg", copy_of(1, 0)[:3000])
    put(clean / "test", "empty.png", b"")
    put(clean / "test", "notes.txt", b"no picture")
    put(clean / "test", "blank.png", np.full((240, 320, 3), 255, np.uint8))
    put(clean / "test", "dot.gif", np.zeros((1, 1), np.uint8))
    deep = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    put(clean / "test", "deep.tif", deep)
    put(clean / "test", "again.jpeg", copy_of(1, 0))
    both = r"2 of its pictures .*test/cut\.jpeg \(.*truncated.*test/empty\.png \(the file is empty"
    with pytest.raises(UserError, match=both):
        audit_folder(clean)
    findings = audit_folder(clean, on_bad_image="skip")
    assert [file for file, _ in findings.unreadable] == ["test/cut.jpeg", "test/empty.png"]
    assert "truncated" in findings.unreadable[0][1]
    assert findings.notes == ["1 file is no picture and was passed over: 1 .txt."]
    assert findings.parts["test"] == 4 + 4
    assert ("again.jpeg", "bytes") in {(pair.file_a, pair.how) for pair in findings.pairs}


def test_names_are_shown_and_never_run(clean: Path, tmp_path: Path) -> None:
    name = "<script>alert(1)&$x^2$\x1b[2J.jpeg"
    put(clean / "test", name, copy_of(0, 0))
    put(clean / "train", "<b>broken.png", b"")
    text, is_leaky = run_on_input(clean, parts=[], workdir=tmp_path / "out", on_bad_image="skip")
    assert is_leaky
    assert "<script>alert(1)&$x^2$\\x1b[2J.jpeg" in text
    page = (tmp_path / "out" / "audit.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)&amp;$x^2$\\x1b[2J.jpeg" in page
    assert "\x1b" not in text + page
    rows = (tmp_path / "out" / "pairs.tsv").read_text(encoding="utf-8").splitlines()
    assert {len(row.split("\t")) for row in rows} == {8}


def test_names_in_another_encoding_are_shown(clean: Path, tmp_path: Path) -> None:
    put(clean / "test", os.fsdecode(b"caf\xe9.jpeg"), copy_of(0, 0))
    put(clean / "train", os.fsdecode(b"\xff.png"), b"")
    text, is_leaky = run_on_input(clean, parts=[], workdir=tmp_path / "out", on_bad_image="skip")
    assert is_leaky
    for shown in (text, (tmp_path / "out" / "audit.html").read_text(encoding="utf-8")):
        assert "caf\\udce9.jpeg" in shown
        assert "train/\\udcff.png" in shown
    json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))


def examples(files: list[str], sources: list[str], scenes: list[str] | None = None) -> Examples:
    count = len(files)
    return Examples(
        image=np.zeros((count, 2, 2, 1), np.uint8),
        label=np.zeros(count, np.int64),
        filename=np.array(files, np.str_),
        source=np.array(sources, np.str_),
        scene=np.array(scenes or sources, np.str_),
    )


def test_a_division_is_audited_by_its_sources_and_reads_nothing() -> None:
    parts = {
        "train": examples(["a0", "a1", "b0"], ["a", "a", "b"]),
        "validation": examples([], []),
        "test": examples(["a2", "c0"], ["a", "c"]),
    }
    findings = audit_division(
        parts, lambda: pytest.fail("nothing is to be read"), "drawn", knows_copies=True
    )
    assert [(p.file_a, p.file_b, p.how) for p in findings.pairs] == [
        ("a0", "a2", "source"),
        ("a1", "a2", "source"),
    ]
    assert [(g.name, g.counts) for g in findings.groups] == [("a", {"test": 1, "train": 2})]
    assert findings.parts == {"train": 3, "test": 2}
    assert findings.headline == "1 smear, 1 group of like pictures on two sides"


def test_photographs_of_one_place_are_a_leak_too() -> None:
    parts = {
        "train": examples(["a0", "b0", "c0"], ["a", "b", "c"], ["a", "a", "c"]),
        "test": examples(["b1", "d0"], ["b", "d"], ["a", "d"]),
    }
    findings = audit_division(
        parts, lambda: pytest.fail("nothing is to be read"), "drawn", knows_copies=True
    )
    assert [(p.file_a, p.file_b, p.how) for p in findings.pairs] == [
        ("b0", "b1", "source"),
        ("a0", "b1", "scene"),
    ]
    assert [(g.name, g.counts) for g in findings.groups] == [("a", {"test": 1, "train": 2})]


def test_copies_of_unknown_source_are_compared_by_content() -> None:
    files = {f"{smear}_{copy}": copy_of(smear, copy) for smear in range(4) for copy in range(2)}
    parts = {
        "train": examples(["0_0", "1_0", "2_0"], ["zero", "one", "unresolved"]),
        "test": examples(["0_1", "2_1", "3_0"], ["unresolved", "two", "three"]),
    }
    findings = audit_division(
        parts, lambda: lambda picture: files[picture.file], "drawn", knows_copies=True
    )
    assert [(p.file_a, p.file_b, p.how) for p in sorted(findings.pairs, key=lambda p: p.ends)] == [
        ("0_0", "0_1", "keypoints"),
        ("2_0", "2_1", "keypoints"),
    ]
    assert findings.notes[0].startswith(
        "Pictures whose smear, or whose copies, are not recorded: 2. "
    )


def test_exit_codes_of_the_command_line(launch: Launch, leaky: Path, tmp_path: Path) -> None:
    leak = launch("--mode=audit", f"--input={leaky}", f"--workdir={tmp_path / 'leak'}")
    assert leak.returncode == 1, leak.stderr
    assert "2 groups of like pictures on two sides" in leak.stdout
    assert leak.stdout.rstrip().endswith(f"report: {tmp_path / 'leak' / 'audit.html'}")
    written = {path.name for path in (tmp_path / "leak").iterdir()}
    assert written == {"audit.html", "audit.json", "pairs.tsv", "pairs.svg", "pairs.png"}
    fine = launch("--mode=audit", "--config=configs/cnn.py:smoke", f"--workdir={tmp_path / 'fine'}")
    assert fine.returncode == 0, fine.stderr
    assert "no pair was found" in fine.stdout
    (tmp_path / "file").write_text("")
    for flags in ((), (f"--input={leaky}", f"--workdir={tmp_path / 'file'}")):
        mistake = launch("--mode=audit", *flags)
        assert mistake.returncode == 2, mistake.stderr
        assert "error: " in mistake.stderr


def test_real_copies_are_found_across_a_random_division_only(
    real_data: Path, tmp_path: Path
) -> None:
    tree = source.find(real_data)
    assert tree is not None
    copies = tree.files()
    test = [file for file in copies if file.startswith("TEST/EOS")][:36:2]
    train = [file for file in copies if file.startswith("TRAIN/EOS")][:12]
    for place, file in enumerate(test):
        target = tmp_path / "random" / ("ab"[place % 2]) / Path(file).name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(tree.read(file))
    findings = audit_folder(tmp_path / "random")
    smear = {Path(file).name: smear_of(file) for file in test}
    assert findings.pairs
    assert all(smear[pair.file_a] == smear[pair.file_b] for pair in findings.pairs)
    sides = [{smear[Path(f).name] for f in test[side::2]} for side in (0, 1)]
    leaked = sum(smear[Path(file).name] in sides[1] for file in test[::2])
    assert findings.twins["a"] == leaked > 0
    shutil.rmtree(tmp_path / "random" / "b")
    for file in train:
        (tmp_path / "random" / "train").mkdir(exist_ok=True)
        (tmp_path / "random" / "train" / Path(file).name).write_bytes(tree.read(file))
    assert audit_folder(tmp_path / "random").pairs == []
