"""The plain script does the product's job: same files, same division, same pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wbc_jax.errors import UserError

torch = pytest.importorskip("torch", reason="PyTorch (extra `bench`) is not installed")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images of noise per class, in the published folders."""
    from benchmarks.torch_script import CLASSES

    random = np.random.default_rng(0)
    data_dir = tmp_path_factory.mktemp("data")
    for name in CLASSES:
        folder = data_dir / "blood_cells" / "images" / "TEST" / name
        folder.mkdir(parents=True)
        for index in range(6):
            pixels = random.integers(0, 256, (24, 32, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"_{index}_{10 - index}.jpeg")
    return data_dir


@pytest.mark.parametrize("flags", [["--workers=0"], ["--in_memory"]])
def test_it_trains_evaluates_and_saves(
    flags: list[str], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.torch_script import main

    fixed = ["--epochs=2", "--batch_size=4", "--num_test=4"]
    main([f"--data_dir={images}", f"--workdir={tmp_path}", *fixed, *flags])
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(results["epochs"]) == 2
    assert set(results["test"]) == {
        "binary_cross_entropy",
        "softmax_cross_entropy",
        "binary_accuracy",
        "categorical_accuracy",
        "balanced_accuracy",
        "macro_f1",
    }
    assert torch.load(tmp_path / "weights.pt")
    assert "epoch 2: train loss" in capsys.readouterr().out


def test_its_pixels_are_ours(images: Path) -> None:
    from benchmarks.torch_script import find_files, read_image
    from wbc_jax.data.bands import BandStatistics, expand_bands, standardise
    from wbc_jax.data.preprocessing import Settings, preprocess

    file = find_files(images)[0]
    settings = Settings(first_size=300, image_size=50, gray=True)
    bands = expand_bands(preprocess(file.read_bytes(), settings), "nonlinear")
    mean = np.array([0.6556327, 0.4936324, 0.7628571], np.float32)
    deviation = np.array([0.25254345, 0.22115189, 0.2714438], np.float32)
    ours = standardise(bands, BandStatistics(mean, deviation))
    theirs = read_image(file).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_its_division_is_the_protocols(real_data: Path) -> None:
    from benchmarks.torch_script import divide, find_files
    from wbc_jax.data.examples import Examples
    from wbc_jax.data.protocols import Draw, get_protocol

    files = find_files(real_data)
    count = len(files)
    names = np.array(["/".join(file.parts[-3:]) for file in files])
    blank = np.zeros((count, 1, 1, 1), np.uint8)
    examples = Examples(blank, np.arange(count), names, names, names)
    partition = get_protocol("paper").divide({"TEST": examples}, Draw(0))
    train, test = divide(files, num_test=500)
    assert [file.name for file in test] == [Path(name).name for name in partition.test.filename]
    assert [file.name for file in train] == [Path(name).name for name in partition.train.filename]


def test_its_metrics_are_ours() -> None:
    from benchmarks.torch_script import confusion_figures
    from wbc_jax.evaluation.metrics import classification_summary

    random = np.random.default_rng(0)
    labels, predictions = random.integers(0, 3, 40), random.integers(0, 4, 40)
    expected = classification_summary(labels, predictions, ["a", "b", "c", "d"])
    figures = confusion_figures(np.array(expected["confusion_matrix"], float))
    assert figures["balanced_accuracy"] == pytest.approx(expected["balanced_accuracy"])
    assert figures["macro_f1"] == pytest.approx(expected["macro_f1"])
    assert figures["categorical_accuracy"] == pytest.approx((labels == predictions).mean())


def test_missing_images_are_named(tmp_path: Path) -> None:
    from benchmarks.torch_script import find_files

    with pytest.raises(UserError, match="has no TEST/CLASS"):
        find_files(tmp_path)
