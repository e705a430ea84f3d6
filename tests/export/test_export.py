"""An exported run answers as the run did, with jax alone, and says so where it does not."""

import hashlib
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from tests.damage import fail_on_a_full_disk
from tests.export.rounding import BFLOAT16, TF32, round_weights
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import prepare, read_split
from wbc_jax.errors import UserError
from wbc_jax.export import export, loader
from wbc_jax.export.export import export_run

Launch = Callable[..., subprocess.CompletedProcess[str]]

# What is missing where only jax is installed.
_WITHOUT = ("wbc_jax", "flax", "optax", "orbax", "PIL", "ml_collections", "absl", "jaxtyping")


def test_pictures_in_and_the_runs_own_test_predictions_out(
    exported: Path, validated_run: Path, cache_dir: Path
) -> None:
    with np.load(validated_run / "predictions.npz") as file:
        expected = dict(zip(file["filename"].tolist(), file["probabilities"], strict=True))
    prepared = prepare("synthetic_smears/smoke", Places(None, cache_dir))
    examples = list(read_split(prepared, "test"))
    assert len(examples) == len(expected)
    pictures = np.stack(
        [np.asarray(Image.open(io.BytesIO(example.image)).convert("RGB")) for example in examples]
    )
    classifier = loader.load(exported)
    answers = classifier(pictures)
    rows = np.stack([expected[example.filename] for example in examples])
    np.testing.assert_allclose(answers["probabilities"], rows, atol=1e-6)
    # The batch is symbolic: one picture gives the same.
    np.testing.assert_allclose(classifier(pictures[3:4])["probabilities"], rows[3:4], atol=1e-6)
    assert np.ptp(rows) > 0.01  # the answers differ from picture to picture


def test_calibrated_probabilities_are_those_of_the_runs_temperature(
    exported: Path, validated_run: Path
) -> None:
    results = json.loads((validated_run / "results.json").read_text())
    temperature = results["test"]["temperature"]
    assert temperature is not None
    classifier = loader.load(exported)
    answers = classifier(classifier.drawn["images"])
    powers = answers["probabilities"].astype(np.float64) ** (1 / temperature)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers["calibrated"], expected, atol=1e-5)
    facts = json.loads((exported / loader.FACTS).read_text())
    assert facts["classes"] == results["classes"]
    assert facts["temperature"] == temperature
    assert facts["confidence_threshold"] == results["selective"]["threshold"]


def test_loading_needs_no_package_but_jax(exported: Path, tmp_path: Path) -> None:
    for name in _WITHOUT:
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} was imported')\n")
    result = subprocess.run(
        [sys.executable, exported / "load_classifier.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "classes: eosinophil, lymphocyte, monocyte, neutrophil" in result.stdout
    assert float(result.stdout.rpartition(":")[2]) <= 1e-6


def test_weights_that_were_rounded_on_the_way_are_warned_of(
    validated_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = export.flat_weights
    monkeypatch.setattr(export, "flat_weights", lambda own: round_weights(whole(own), TF32))
    with caplog.at_level(logging.WARNING):
        export_run(validated_run, tmp_path / "out", picture_size=(240, 320))
    assert re.search(r"logits differ .* of the largest, where 2e-05 is rounding", caplog.text)
    assert "bfloat16" not in caplog.text  # the run's config says float32


def test_a_run_in_bfloat16_is_warned_of_by_that_name(
    validated_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Path(shutil.copytree(validated_run, tmp_path / "run"))
    config = json.loads((run / "config.json").read_text())
    config["model"]["dtype"] = "bfloat16"
    (run / "config.json").write_text(json.dumps(config))
    # Tiny layers may round alike in both forms; the weights of this one do not.
    whole = export.flat_weights
    monkeypatch.setattr(export, "flat_weights", lambda own: round_weights(whole(own), BFLOAT16))
    with caplog.at_level(logging.WARNING):
        export_run(run, tmp_path / "out", picture_size=(240, 320))
    assert "model.dtype=bfloat16" in caplog.text
    assert json.loads((tmp_path / "out" / loader.FACTS).read_text())["run"]["dtype"] == "bfloat16"


def test_files_of_somebody_else_are_not_replaced(validated_run: Path, tmp_path: Path) -> None:
    card = tmp_path / "model_card.md"
    card.write_text("mine")
    with pytest.raises(UserError, match=r"model_card\.md is not of an export .* would be replaced"):
        export_run(validated_run, tmp_path, picture_size=(240, 320))
    assert [path.name for path in tmp_path.iterdir()] == ["model_card.md"]
    assert card.read_text() == "mine"


def test_one_program_for_three_platforms_and_any_number_of_pictures(exported: Path) -> None:
    import jax

    program = jax.export.deserialize(bytearray((exported / loader.PROGRAM).read_bytes()))
    assert program.platforms == ("cpu", "cuda", "tpu")
    *_, images = program.in_avals
    assert str(images.shape) == "(b, 240, 320, 3)"
    assert images.dtype == np.uint8
    text = program.mlir_module()
    # No kernel of this machine: only what checks the size of the batch.
    assert set(re.findall(r"custom_call @(\w+)", text)) <= {"shape_assertion"}
    assert "wbc_" not in text
    assert str(REPOSITORY).encode() not in program.mlir_module_serialized  # nor its folders


def test_the_digests_are_what_sha256sum_reads(exported: Path) -> None:
    names = set()
    for line in (exported / loader.DIGESTS).read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == digest
        names.add(name)
    assert names == {path.name for path in exported.iterdir()} - {loader.DIGESTS}
    assert "model_card.md" in names


def test_the_command_line_exports_and_names_mistakes(
    launch: Launch, validated_run: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    flags = ("--mode=export", f"--run={validated_run}", f"--workdir={output}")
    result = launch(*flags, "--input_size=120x160")
    assert result.returncode == 0, result.stderr
    assert "uint8 [b, 120, 160, 3]" in result.stdout
    said = r"(\S+) of the largest logit, (\S+) probability"
    assert all(float(value) < 1e-6 for pair in re.findall(said, result.stdout) for value in pair)
    assert len(re.findall(said, result.stdout)) == 2
    assert loader.check(loader.load(output)).holds
    result = launch(*flags, "--input_size=big")
    assert result.returncode == 2
    assert "input_size='big' must be ROWSxCOLUMNS" in result.stderr
    assert "--mode=export needs a finished run" in launch("--mode=export").stderr


def test_an_export_that_fails_leaves_the_one_of_before(
    validated_run: Path, export_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in export_copy.iterdir()}
    write = Path.write_bytes

    def write_half(path: Path, content: bytes) -> int:
        if loader.CHECK in path.name:
            fail_on_a_full_disk()
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="No space left"):
        export_run(validated_run, export_copy, picture_size=(120, 160))
    assert {path.name: path.read_bytes() for path in export_copy.iterdir()} == before


def test_the_digests_come_last_and_those_of_before_go_first(
    validated_run: Path, export_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is killed in between, nothing looks whole that is not."""
    named, replace = [], Path.replace

    def watch(path: Path, target: Path) -> Path:
        if not named:
            assert not (export_copy / loader.DIGESTS).exists()
        named.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watch)
    export_run(validated_run, export_copy, picture_size=(240, 320))
    assert named[-1] == loader.DIGESTS
    assert set(named) == {path.name for path in export_copy.iterdir()}


def test_a_run_without_its_card_is_told_how_to_write_it(
    validated_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(validated_run, run)
    (run / "model_card.md").unlink()
    with pytest.raises(UserError, match=r"model_card\.md cannot be read .*--mode=evaluate"):
        export_run(run, tmp_path / "out", picture_size=(240, 320))
    assert not (tmp_path / "out").exists()


def test_a_run_is_not_exported_into_a_runs_directory(validated_run: Path) -> None:
    before = sorted(path.name for path in validated_run.iterdir())
    with pytest.raises(UserError, match="is a run's directory"):
        export_run(validated_run, validated_run, picture_size=(240, 320))
    assert sorted(path.name for path in validated_run.iterdir()) == before
