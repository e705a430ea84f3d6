"""A run on a set with a bad image: refused, or told of wherever its figures stand."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import TinyConfig
from tests.datasets.lisc_tree import write_lisc_tree
from tests.reporting.html_page import check_page
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.evaluation.evaluate import evaluate
from wbc_jax.reporting.summary import run_summary
from wbc_jax.training.train import train

Launch = Callable[..., subprocess.CompletedProcess[str]]
BAD = "Main Dataset/neut/1.bmp"
SAID = (
    "1 file was left out of the data set as bad (--on_bad_image=skip): "
    f"{BAD} (no image format that can be read)"
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LISC with one file that is no image."""
    root = write_lisc_tree(tmp_path_factory.mktemp("lisc"), per_class=5, mixt=0)
    (root / BAD).write_bytes(b"not an image")
    return root


def test_a_run_with_skip_says_what_it_left_out(
    data_dir: Path,
    tmp_path: Path,
    tiny_config: TinyConfig,
    quick_compilation: None,
    compilation_cache: dict[str, str],
) -> None:
    changes = {"train.batch_size": 4, "train.num_epochs": 1, "data.balance": "none"}
    config = tiny_config("cnn", preset="lisc", changes=changes)
    workdir, places = tmp_path / "run", Places(data_dir, tmp_path / "cache")
    with pytest.raises(UserError, match=rf"1 of the files .*{BAD} \(no image.*on_bad_image=skip"):
        train(config, places, workdir=workdir)
    assert not workdir.exists()
    results = train(config, replace(places, on_bad_image="skip"), workdir=workdir)
    assert results["warnings"] == [SAID]
    assert results["num_train"] + results["num_test"] == 5 * 4 - 1
    assert SAID in run_summary(results, workdir)
    dataset = json.loads((workdir / "dataset.json").read_text(encoding="utf-8"))
    assert dataset["warnings"] == [SAID]
    assert dataset["bad_images"] == [{"file": BAD, "reason": "no image format that can be read"}]
    page = check_page((workdir / "report.html").read_text(encoding="utf-8"))
    assert SAID in page.text
    assert [BAD, "no image format that can be read"] in [r for t in page.tables.values() for r in t]
    for card in ("model_card.md", "dataset_card.md"):
        assert SAID in (workdir / card).read_text(encoding="utf-8")
    # Neither training on nor evaluating goes without the word once the set is prepared.
    for again in (
        lambda: train(config, places, workdir=workdir),
        lambda: evaluate(workdir, places),
    ):
        with pytest.raises(
            UserError, match=rf"was prepared without some bad files, 1 in all: {BAD}"
        ):
            again()


def test_the_flag_reaches_every_mode_that_reads_images(
    launch: Launch, data_dir: Path, tmp_path: Path
) -> None:
    common = (
        "--mode=prepare",
        "--config=configs/cnn.py:lisc",
        f"--data_dir={data_dir}",
        f"--cache_dir={tmp_path}",
    )
    refused = launch(*common)
    assert refused.returncode == 2
    assert refused.stderr.count("error:") == 1
    assert BAD in refused.stderr
    assert "Traceback" not in refused.stderr
    skipped = launch(*common, "--on_bad_image=skip")
    assert skipped.returncode == 0, skipped.stderr
    assert f"! {SAID}" in skipped.stdout
    unknown = launch(*common, "--on_bad_image=ignore")
    assert unknown.returncode == 2
    assert "error|skip" in unknown.stderr
