"""The embedded set is no toy, and can be learnt: the whole of it, as a user gets it."""

import os
from pathlib import Path

import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from configs.cnn import get_config
from wbc_jax.data.load import Data
from wbc_jax.datasets.places import Places
from wbc_jax.training.prepare_data import prepare_data
from wbc_jax.training.train import train


@pytest.fixture(scope="module")
def default_cache() -> Path:
    """The user's own: README's first command has prepared the set there, which takes a minute."""
    return Path(os.environ.get("WBC_CACHE_DIR", "~/.cache/wbc_jax")).expanduser()


@pytest.fixture(scope="module")
def smears(default_cache: Path) -> Data:
    return prepare_data(get_config("synthetic"), Places(None, default_cache))


def test_a_linear_model_on_the_gray_pixels_stays_below_70_percent(smears: Data) -> None:
    train_part, _, test_part = smears.partition
    assert train_part.image.shape[1:] == (50, 50, 1)
    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=1e5))
    model.fit(train_part.image.reshape(len(train_part.label), -1), train_part.label)
    accuracy = model.score(test_part.image.reshape(len(test_part.label), -1), test_part.label)
    assert 0.25 < accuracy < 0.7


@pytest.mark.usefixtures("smears", "no_report")
def test_the_cnn_passes_90_percent_within_5_epochs(default_cache: Path, tmp_path: Path) -> None:
    results = train(get_config("synthetic"), Places(None, default_cache), workdir=tmp_path / "cnn")
    assert len(results["epochs"]) == 5
    best = max(epoch["test"]["categorical_accuracy"] for epoch in results["epochs"])
    assert best > 0.9
