"""What TensorBoard's own reader finds in a run's event files."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from benchmarks.run_differences import read_leaves
from wbc_jax.evaluation.evaluate import HEADLINE
from wbc_jax.training.tensorboard import TensorBoard

KEEP_EVERYTHING = {"scalars": 0, "histograms": 0, "images": 0, "tensors": 0}


def read_events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance=KEEP_EVERYTHING).Reload()


@pytest.fixture(scope="module")
def events(finished_run: Path) -> EventAccumulator:
    return read_events(finished_run / "tensorboard")


def test_every_metric_of_every_epoch_is_a_scalar(
    events: EventAccumulator, finished_run: Path
) -> None:
    lines = (finished_run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    expected = {
        f"{part}/{name}": [json.loads(line)[part][name] for line in lines]
        for part in ("train", "test")
        for name in json.loads(lines[0])[part]
    }
    assert expected.keys() <= set(events.Tags()["scalars"])
    for tag, values in expected.items():
        found = events.Scalars(tag)
        assert [event.step for event in found] == [1, 2], tag
        np.testing.assert_allclose([event.value for event in found], values, rtol=1e-6)


def test_every_array_of_weights_has_a_histogram_in_every_epoch(
    events: EventAccumulator, finished_run: Path
) -> None:
    leaves = read_leaves(finished_run).items()
    params = {k.removeprefix("state/"): v for k, v in leaves if k.startswith("state/params/")}
    assert set(events.Tags()["histograms"]) == set(params)
    for tag, leaf in params.items():
        first, last = events.Histograms(tag)
        assert (first.step, last.step) == (1, 2)
        assert last.histogram_value.num == leaf.size
        assert last.histogram_value.sum == pytest.approx(leaf.sum(dtype=float), abs=1e-5)


def test_the_reports_figures_are_pictures_after_the_last_epoch(
    events: EventAccumulator,
) -> None:
    assert {"report/confusion_matrix", "report/predictions"} <= set(events.Tags()["images"])
    for tag in ("report/confusion_matrix", "report/predictions"):
        (event,) = events.Images(tag)
        assert event.step == 2
        with Image.open(io.BytesIO(event.encoded_image_string)) as image:
            assert min(image.size) > 100
            assert len(np.unique(np.asarray(image.convert("L")))) > 10, f"{tag} is blank"


def test_settings_and_final_figures_are_on_the_hparams_page(finished_run: Path) -> None:
    found = read_events(finished_run / "tensorboard" / "hparams")
    metadata = found.SummaryMetadata("_hparams_/session_start_info")
    content = HParamsPluginData.FromString(metadata.plugin_data.content)
    hparams = content.session_start_info.hparams
    assert hparams["model.name"].string_value == "cnn"
    assert hparams["optim.learning_rate"].number_value == pytest.approx(0.02)
    assert hparams["model.conv_features"].string_value == "(4, 4)"
    assert hparams["augment.mirror"].bool_value is True
    test = json.loads((finished_run / "results.json").read_text(encoding="utf-8"))["test"]
    for name in HEADLINE:
        assert found.Scalars(name)[-1].value == pytest.approx(test[name], rel=1e-6)


def test_what_an_interrupted_start_wrote_after_its_checkpoint_is_void(tmp_path: Path) -> None:
    def record(epoch: int, loss: float) -> dict[str, Any]:
        return {"epoch": epoch, "train": {"loss": loss}, "test": {"loss": loss}}

    params = {"Dense_0": {"kernel": np.ones((2, 2), np.float32)}}
    with TensorBoard(tmp_path, epochs_done=0) as board:
        for epoch, loss in ((1, 0.9), (2, 0.8), (3, 0.7)):
            board.write_epoch(record(epoch, loss), params)
    with TensorBoard(tmp_path, epochs_done=1) as board:
        board.write_epoch(record(2, 0.5), params)
    found = read_events(tmp_path).Scalars("train/loss")
    assert [(event.step, round(event.value, 6)) for event in found] == [(1, 0.9), (2, 0.5)]
