"""The images of a run: classes filtered, parts divided, and what dataset.json says of them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.data.fake_dataset import FakeDataset, encode
from wbc_jax.data import load
from wbc_jax.data.load import Data, class_names, load_data
from wbc_jax.data.preprocessing import Settings
from wbc_jax.datasets import catalog
from wbc_jax.datasets.prepare import Example
from wbc_jax.errors import UserError

SETTINGS = Settings(first_size=0, image_size=4, gray=True)
LABELS = [0, 1, 2, 3, 4, -1] * 4


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDataset:
    examples = [Example(encode(i), label, f"{i}.bmp") for i, label in enumerate(LABELS)]
    fake = FakeDataset("lisc", {"all": examples, "mixt": []})
    fake.install(monkeypatch)
    monkeypatch.setattr(load, "prepare", lambda name, **where: fake.prepared)
    return fake


def load_lisc(tmp_path: Path, num_classes: int = 4, seed: int = 0) -> Data:
    return load_data(
        "lisc", SETTINGS, num_classes=num_classes, seed=seed, data_dir=None, cache_dir=tmp_path
    )


@pytest.mark.parametrize("num_classes", [2, 4, 5])
def test_only_the_first_classes_are_kept(
    fake: FakeDataset, tmp_path: Path, num_classes: int
) -> None:
    data = load_lisc(tmp_path, num_classes)
    train, test = data.partition
    assert data.classes == catalog.get("lisc").classes[:num_classes]
    assert Counter(train.label.tolist()) == dict.fromkeys(range(num_classes), 3)
    assert Counter(test.label.tolist()) == dict.fromkeys(range(num_classes), 1)
    for part in data.partition:
        rows = [int(name.removesuffix(".bmp")) for name in part.filename]
        np.testing.assert_array_equal(part.label, np.array(LABELS)[rows])


def test_the_seed_reaches_the_protocol(fake: FakeDataset, tmp_path: Path) -> None:
    names = [load_lisc(tmp_path, seed=seed).partition.test.filename.tolist() for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


def test_the_description_has_every_figure(fake: FakeDataset, tmp_path: Path) -> None:
    description = load_lisc(tmp_path).describe()
    spec, classes = catalog.get("lisc"), catalog.get("lisc").classes[:4]
    assert description == {
        "dataset": "lisc",
        "title": spec.title,
        "version": spec.version,
        "protocol": "lisc",
        "protocol_description": description["protocol_description"],
        "warnings": [],
        "splits": {"all": {"num_examples": 24, "digest": "digest of all"}},
        "num_train": 12,
        "num_test": 4,
        "classes": list(classes),
        "train_class_counts": dict.fromkeys(classes, 3),
        "test_class_counts": dict.fromkeys(classes, 1),
    }


def test_where_to_look_is_passed_on(
    fake: FakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def prepare(*args, **kwargs):
        calls.append((args, kwargs))
        return fake.prepared

    monkeypatch.setattr(load, "prepare", prepare)
    where = {"data_dir": Path("images"), "cache_dir": tmp_path, "download": True}
    load_data("lisc", SETTINGS, num_classes=4, seed=0, **where)
    assert calls == [(("lisc",), where)]


@pytest.mark.parametrize(
    ("protocol", "num_classes", "most"), [("paper", 5, 4), ("lisc", 6, 5), ("lisc", 1, 5)]
)
def test_a_number_of_classes_out_of_range_is_refused(
    protocol: str, num_classes: int, most: int
) -> None:
    with pytest.raises(
        UserError, match=rf"data.num_classes={num_classes} must lie between 2 and {most}, .*eosin"
    ):
        class_names(protocol, num_classes)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(UserError, match="protocol 'kfold' is not known"):
        class_names("kfold", 4)


def test_the_embedded_set_from_preparing_to_parts(tmp_path: Path) -> None:
    settings = Settings(first_size=300, image_size=50, gray=True)
    where = {"data_dir": None, "cache_dir": tmp_path}
    data = load_data("smoke", settings, num_classes=4, seed=0, **where)
    train, test = data.partition
    assert train.image.shape[1:] == test.image.shape[1:] == (50, 50, 1)
    assert not {*train.filename} & {*test.filename}
    assert set(train.label) == set(test.label) == {0, 1, 2, 3}
    described = data.describe()
    assert sum(described["train_class_counts"].values()) == described["num_train"]
    assert described["num_train"] == described["splits"]["train"]["num_examples"]
    assert described["warnings"]


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


def test_the_papers_division_of_the_real_images(real_data: Path, real_cache: Path) -> None:
    # Without the first resize, at 8 pixels, Pillow reads the JPEGs fast.
    settings = Settings(first_size=0, image_size=8, gray=True)
    parts = []
    for seed in (0, 1):
        data = load_data(
            "paper", settings, num_classes=4, seed=seed, data_dir=real_data, cache_dir=real_cache
        )
        parts.append(data.partition)
        assert data.prepared.splits["TEST"].num_examples == 2487
        train, test = data.partition
        assert (len(train.label), len(test.label)) == (1987, 500)
        assert len({*train.filename, *test.filename}) == 2487
        counts = Counter(train.label.tolist()) + Counter(test.label.tolist())
        assert counts == {0: 623, 1: 620, 2: 620, 3: 624}
        folders = [name.split("/")[-2].lower() for name in test.filename]
        assert [data.classes.index(folder) for folder in folders] == test.label.tolist()
    assert set(parts[0].test.filename) != set(parts[1].test.filename)
