"""Both sides make the same pixels; samples, turns and ratios."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import prepare
from configs.cnn import get_config
from tests.data.fake_dataset import encode
from wbc_jax.data.preprocessing import preprocess
from wbc_jax.errors import UserError
from wbc_jax.training.prepare_data import image_settings

FIELDS = {"seconds", "cores", "other_cores", "peak_mebibytes"}


def jpeg(seed: int) -> bytes:
    return encode(seed, width=320, height=240, file_format="JPEG")


def made_up(seconds: float) -> dict[str, Any]:
    return {"seconds": seconds, "cores": 2.0, "other_cores": 0.1, "peak_mebibytes": 200.0}


def test_pillow_is_asked_for_the_pixels_that_we_make() -> None:
    settings = image_settings(get_config("official"))
    for seed in range(3):
        pixels = np.asarray(prepare.decode_and_resize(jpeg(seed)))[..., None]
        np.testing.assert_array_equal(pixels, preprocess(jpeg(seed), settings))


@pytest.mark.parametrize("pool", prepare.POOLS)
def test_pillow_decodes_what_lies_in_train_and_test(pool: str, tmp_path: Path) -> None:
    paths = ("TRAIN/MONOCYTE/1", "TRAIN/NEUTROPHIL/2", "TEST/MONOCYTE/3", "TEST_SIMPLE/MONOCYTE/4")
    for number, path in enumerate(paths):
        file = tmp_path / "images" / f"{path}.jpeg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg(number))
    command = ["-m", "benchmarks.prepare", f"--contestant={pool}", f"--data_dir={tmp_path}"]
    result = subprocess.run(
        [sys.executable, *command],
        cwd=Path(prepare.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    sample = json.loads(result.stdout)
    assert sample["images"] == 3
    assert sample.keys() == FIELDS | {"images"}
    assert sample["seconds"] > 0


def test_ours_is_measured_by_stages(tmp_path: Path) -> None:
    sample = prepare.measure_ours("smoke", None, tmp_path)
    assert sample["images"] == 128
    assert all(sample[stage].keys() == FIELDS for stage in prepare.STAGES)
    both = sample["records"]["seconds"] + sample["arrays"]["seconds"]
    assert both == pytest.approx(sample["total"]["seconds"], rel=0.1)
    assert sample["cached"]["seconds"] < sample["total"]["seconds"]
    assert len(list((tmp_path / "arrays").iterdir())) == 2


def test_the_clock_counts_this_process() -> None:
    clock = prepare._Clock()
    sum(range(3_000_000))
    sample = clock.read()
    assert 0 < sample["cores"] < 1.5
    assert 10 < sample["peak_mebibytes"] < 10_000
    assert clock.read(processes=0)["peak_mebibytes"] <= clock.read(processes=2)["peak_mebibytes"]


def test_contestants_take_turns_and_meet_the_faster_pillow_of_their_round(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pillow = {"threads": iter([10.0, 20.0, 10.0]), "processes": iter([12.0, 16.0, 8.0])}
    total = iter([13.0, 20.0, 8.0])
    turns = []

    def sample(contestant: str, data_dir: Path) -> dict[str, Any]:
        turns.append(contestant)
        if contestant != "ours":
            return made_up(next(pillow[contestant]))
        stages = {stage: made_up(1.0) for stage in prepare.STAGES}
        return {**stages, "total": made_up(next(total)), "process_seconds": 20.0}

    monkeypatch.setattr(prepare, "_sample", sample)
    samples = prepare.measure(Namespace(rounds=3, data_dir=tmp_path))
    assert turns == ["threads", "processes", "ours"] * 3
    assert prepare.ratio_to_pillow(samples, "ours, both").median == pytest.approx(1.25)
    rows = {
        row[:18].strip(): row[18:].split() for row in prepare.prepare_table(samples).split("\n")
    }
    assert rows["ours, both"][:2] == ["13.00", "1.25"]
    assert rows["ours, process"][:2] == ["20.00", "2.00"]
    assert "ours: 13.0 s, process 20.0 s" in capsys.readouterr().err


def test_a_folder_without_the_images_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such set in data_dir"):
        prepare._sample("threads", tmp_path)
