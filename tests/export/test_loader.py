"""What the loader says of a folder, and of images, that it cannot use."""

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.rounding import TF32, round_weights
from wbc_jax.export import loader


def seal(folder: Path, name: str, content: bytes) -> None:
    """Replaces a file as somebody who made the folder would have: with its digest."""
    old = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / name).write_bytes(content)
    text = (folder / loader.DIGESTS).read_text()
    (folder / loader.DIGESTS).write_text(text.replace(old, hashlib.sha256(content).hexdigest()))


def seal_facts(folder: Path, **changes: Any) -> None:
    """Changes fields of export.json."""
    facts = json.loads((folder / loader.FACTS).read_text())
    seal(folder, loader.FACTS, json.dumps(facts | changes).encode())


def round_saved_weights(folder: Path) -> None:
    """Rounds them to TF32, with their digest: damage that only the answers can show."""
    buffer = io.BytesIO()
    np.savez(buffer, **round_weights(loader.load(folder).weights, TF32))
    seal(folder, loader.WEIGHTS, buffer.getvalue())


def start(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, folder / "load_classifier.py"]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", [loader.FACTS, loader.PROGRAM, loader.WEIGHTS, loader.DIGESTS])
def test_a_flipped_bit_is_named(name: str, export_copy: Path) -> None:
    content = bytearray((export_copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (export_copy / name).write_bytes(content)
    with pytest.raises(loader.ExportError, match=r"is not as it was written|is damaged|cannot be"):
        loader.load(export_copy)


@pytest.mark.parametrize("name", [loader.FACTS, loader.PROGRAM, loader.DIGESTS])
def test_a_missing_file_is_named(name: str, export_copy: Path) -> None:
    (export_copy / name).unlink()
    with pytest.raises(loader.ExportError, match=name):
        loader.load(export_copy)


def test_a_file_of_the_folder_in_its_place_is_told_of_the_folder(export_copy: Path) -> None:
    with pytest.raises(loader.ExportError, match=r"json is a file; name the folder .*export-copy$"):
        loader.load(export_copy / loader.FACTS)


def test_a_newer_format_asks_for_its_own_loader(export_copy: Path) -> None:
    seal_facts(export_copy, format_version=3)
    # Another format may call its files otherwise.
    (export_copy / loader.WEIGHTS).rename(export_copy / "weights.other")
    digests = (export_copy / loader.DIGESTS).read_text()
    (export_copy / loader.DIGESTS).write_text(digests.replace(loader.WEIGHTS, "weights.other"))
    with pytest.raises(loader.ExportError, match=r"format 3, newer than format 2.*load_classifier"):
        loader.load(export_copy)


def test_the_format_before_is_loaded_and_checked_by_its_own_loader(export_copy: Path) -> None:
    seal_facts(export_copy, format_version=1)
    assert len(loader.load(export_copy).classes) == 4
    with pytest.raises(loader.ExportError, match=r"format 1.* holds no logits.*load_classifier"):
        loader.check(loader.load(export_copy))


@pytest.mark.parametrize("version", [True, 0, -3, 1.0, "2", None])
def test_a_version_that_is_no_number_of_one_is_no_export(version: Any, export_copy: Path) -> None:
    seal_facts(export_copy, format_version=version)
    with pytest.raises(loader.ExportError, match=r"export\.json is not of a wbc_jax export"):
        loader.load(export_copy)


@pytest.mark.parametrize("content", [b"[]", b"{nope", b"\xff", b'{"format_version": 2}'])
def test_facts_of_something_else_are_no_export(content: bytes, export_copy: Path) -> None:
    seal(export_copy, loader.FACTS, content)
    with pytest.raises(loader.ExportError, match=r"export\.json is not of a wbc_jax export"):
        loader.load(export_copy)


def test_a_program_that_this_jax_cannot_read_names_both_versions(export_copy: Path) -> None:
    seal(export_copy, loader.PROGRAM, b"of another calling convention")
    with pytest.raises(loader.ExportError, match=r"written by jax .* cannot be read by jax"):
        loader.load(export_copy)


def test_without_flatbuffers_the_loader_says_what_to_install(
    exported: Path, tmp_path: Path
) -> None:
    (tmp_path / "flatbuffers.py").write_text("raise ImportError('flatbuffers is not there')\n")
    result = start(exported, PYTHONPATH=str(tmp_path))
    assert result.returncode == 2
    assert "pip install jax flatbuffers" in result.stderr


def test_the_loader_of_a_damaged_folder_ends_with_one_message(export_copy: Path) -> None:
    (export_copy / loader.WEIGHTS).write_bytes(b"")
    result = start(export_copy)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


def test_answers_that_differ_end_with_1_and_a_reason(export_copy: Path) -> None:
    round_saved_weights(export_copy)
    result = start(export_copy)
    assert result.returncode == 1, result.stderr
    assert "run's logits: " in result.stdout
    assert "run's probabilities: " in result.stdout
    assert "warning: the logits differ from the run's by up to" in result.stderr
    assert "bfloat16" not in result.stderr


def test_another_temperature_does_not_agree(exported: Path) -> None:
    classifier = loader.load(exported)
    assert loader.check(classifier).holds
    uncalibrated = {"calibrated": classifier.drawn["probabilities"]}
    agreement = loader.compare(classifier, {**classifier.drawn, **uncalibrated})
    assert agreement.logits <= loader.TOLERANCE
    assert not agreement.holds


def test_answers_that_are_no_numbers_do_not_agree(exported: Path) -> None:
    classifier = loader.load(exported)
    weights = {name: leaf * np.nan for name, leaf in classifier.weights.items()}
    agreement = loader.check(classifier._replace(weights=weights))
    assert not agreement.holds
    assert loader.objection(classifier.facts, agreement)


@pytest.mark.parametrize(
    ("images", "given"),
    [
        (np.zeros((1, 50, 50, 3), np.uint8), r"uint8 \[1, 50, 50, 3\]"),
        (np.zeros((1, 240, 320, 3), np.float32), "float32"),
        (np.zeros((0, 240, 320, 3), np.uint8), r"uint8 \[0, "),
        ([np.zeros((240, 320, 3), np.uint8), np.zeros((50, 50, 3), np.uint8)], "several sizes"),
        ([], r"float64 \[0\]"),
    ],
)
def test_images_of_another_size_or_type_are_refused(
    images: Any, given: str, exported: Path
) -> None:
    with pytest.raises(loader.ExportError, match=given + r".* takes uint8 \[b, 240, 320, 3\]"):
        loader.load(exported)(images)


@pytest.mark.parametrize(
    ("images", "remedy"),
    [
        ([], "give one at least"),
        (np.zeros((240, 320, 3), np.uint8), r"a single image is given as images\[None\]"),
        (np.zeros((1, 240, 320, 3)), "give their pixels as uint8, 0 to 255"),
        (np.zeros((1, 240, 320, 4), np.uint8), "with another --input_size, or bring the images"),
        ([np.zeros((2, 2, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)], "bring the images"),
    ],
)
def test_what_is_wrong_with_images_has_its_own_remedy(
    images: Any, remedy: str, exported: Path
) -> None:
    with pytest.raises(loader.ExportError, match=remedy):
        loader.load(exported)(images)


def test_a_list_of_images_is_as_good_as_an_array(exported: Path) -> None:
    classifier = loader.load(exported)
    with np.load(exported / loader.CHECK) as file:
        images = file["images"][:2]
    answers, expected = classifier(list(images)), classifier(images)
    assert answers.keys() == {"logits", "probabilities", "calibrated"}
    for name, values in answers.items():
        np.testing.assert_array_equal(values, expected[name])
