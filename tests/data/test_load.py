"""The images of a run: classes filtered, parts divided, and what dataset.json says of them."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.fake_dataset import FakeDataset, encode
from tests.data.random_smears import make_examples
from wbc_jax.data import load
from wbc_jax.data.examples import Examples
from wbc_jax.data.load import Data, class_names, load_data
from wbc_jax.data.preprocessing import Settings
from wbc_jax.data.protocols import PROTOCOLS, Draw, Partition, get_protocol
from wbc_jax.datasets import catalog
from wbc_jax.datasets.catalog import UNRESOLVED
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import Example
from wbc_jax.errors import UserError

SETTINGS = Settings(first_size=0, image_size=4, gray=True)
LABELS = [0, 1, 2, 3, 4, -1] * 4


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDataset:
    examples = [
        Example(encode(i), label, f"{i}.bmp", source=f"{i}.bmp", scene=f"{i}.bmp")
        for i, label in enumerate(LABELS)
    ]
    fake = FakeDataset("lisc", {"all": examples, "mixt": []})
    fake.install(monkeypatch)
    monkeypatch.setattr(load, "prepare", lambda name, places: fake.prepared)
    return fake


def load_lisc(
    tmp_path: Path, num_classes: int = 4, seed: int = 0, validation_share: float = 0.0
) -> Data:
    return load_data(
        "lisc",
        SETTINGS,
        Places(None, tmp_path),
        num_classes=num_classes,
        draw=Draw(seed=seed, validation_share=validation_share),
    )


@pytest.mark.parametrize("num_classes", [2, 4, 5])
def test_only_the_first_classes_are_kept(
    fake: FakeDataset, tmp_path: Path, num_classes: int
) -> None:
    data = load_lisc(tmp_path, num_classes)
    train, validation, test = data.partition
    assert len(validation.label) == 0
    assert data.classes == catalog.get("lisc").classes[:num_classes]
    assert Counter(train.label.tolist()) == dict.fromkeys(range(num_classes), 3)
    assert Counter(test.label.tolist()) == dict.fromkeys(range(num_classes), 1)
    for part in data.partition:
        rows = [int(name.removesuffix(".bmp")) for name in part.filename]
        np.testing.assert_array_equal(part.label, np.array(LABELS)[rows])


def test_the_draw_reaches_the_protocol(fake: FakeDataset, tmp_path: Path) -> None:
    names = [load_lisc(tmp_path, seed=seed).partition.test.filename.tolist() for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]
    train, validation, test = load_lisc(tmp_path, validation_share=0.3).partition
    sizes = [Counter(part.label.tolist()) for part in (train, validation, test)]
    assert sizes == [dict.fromkeys(range(4), size) for size in (2, 1, 1)]


def test_what_the_set_notes_is_a_warning_and_stands_where_a_class_is_missing(
    fake: FakeDataset, tmp_path: Path
) -> None:
    fake.prepared = replace(fake.prepared, notes=("3 files were passed over.",))
    assert load_lisc(tmp_path).describe()["warnings"] == ["3 files were passed over."]
    fake.splits["all"] = [one for one in fake.splits["all"] if one.label != 2]
    fake.prepared = fake.with_count("all", len(fake.splits["all"]))
    with pytest.raises(UserError, match=r"no training image of monocyte.*\. 3 files were passed"):
        load_lisc(tmp_path / "other")


def test_the_description_has_every_figure(fake: FakeDataset, tmp_path: Path) -> None:
    description = load_lisc(tmp_path, validation_share=0.3).describe()
    spec, classes = catalog.get("lisc"), catalog.get("lisc").classes[:4]
    twos, ones = dict.fromkeys(classes, 2), dict.fromkeys(classes, 1)
    assert description == {
        "dataset": "lisc",
        "title": spec.title,
        "version": spec.version,
        "protocol": "lisc",
        "protocol_description": get_protocol("lisc").description,
        "is_leaky": False,
        "warnings": [],
        "bad_images": [],
        "splits": {"all": {"num_examples": 24, "digest": "digest of all"}},
        "classes": list(classes),
        "num_train": 8,
        "num_validation": 4,
        "num_test": 4,
        "counted": "images",
        "train_class_counts": twos,
        "validation_class_counts": ones,
        "test_class_counts": ones,
        "smears": {"train": twos, "validation": ones, "test": ones},
        "all_smears": {"train": 8, "validation": 4, "test": 4},
        "num_smears_on_two_sides": 0,
        "num_scenes_on_two_sides": 0,
        "num_left_out": 8,  # the fifth class and what has none
        "num_unresolved": 0,
    }
    json.dumps(description)


def test_the_description_counts_smears_and_not_their_copies() -> None:
    def part(*rows: tuple[int, str]) -> Examples:
        examples = make_examples(*zip(*rows, strict=True))
        # d, e and f are photographs of one place.
        return examples._replace(
            scene=np.where(np.isin(examples.source, ["d", "e", "f"]), "place", examples.source)
        )

    prepared = FakeDataset("blood_cells", {"TEST": []}).with_count("TEST", 20)
    train = part((0, "a"), (0, "a"), (0, "b"), (1, "c"), (1, UNRESOLVED), (1, "d"))
    validation = part((0, "b"), (1, "e"), (1, "e"))
    test = part((0, "a"), (0, UNRESOLVED), (1, "f"), (1, "c"), (1, UNRESOLVED), (1, "f"))
    partition = Partition(train, validation, test)
    described = Data(get_protocol("paper"), prepared, ("first", "second"), partition).describe()
    assert described["smears"] == {
        "train": {"first": 2, "second": 2},
        "validation": {"first": 1, "second": 1},
        "test": {"first": 1, "second": 2},
    }
    assert described["all_smears"] == {"train": 4, "validation": 2, "test": 3}
    assert described["num_smears_on_two_sides"] == 3  # a, b and c
    assert described["num_scenes_on_two_sides"] == 4
    assert described["num_unresolved"] == 3
    assert described["num_left_out"] == 20 - 15
    assert described["is_leaky"]


def test_where_to_look_is_passed_on(
    fake: FakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def prepare(*args):
        calls.append(args)
        return fake.prepared

    monkeypatch.setattr(load, "prepare", prepare)
    places = Places(Path("images"), tmp_path, download=True, on_bad_image="skip")
    load_data("lisc", SETTINGS, places, num_classes=4, draw=Draw(0))
    assert calls == [("lisc", places)]


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
    data = load_data("smoke", settings, Places(None, tmp_path), num_classes=4, draw=Draw(0))
    train, _, test = data.partition
    assert train.image.shape[1:] == test.image.shape[1:] == (50, 50, 1)
    assert not {*train.filename} & {*test.filename}
    assert set(train.label) == set(test.label) == {0, 1, 2, 3}
    described = data.describe()
    assert sum(described["train_class_counts"].values()) == described["num_train"]
    assert described["num_train"] == described["splits"]["train"]["num_examples"]
    assert described["warnings"]
    # Four copies of each smear, which stay together.
    assert described["smears"]["train"] == dict.fromkeys(data.classes, 6)
    assert described["smears"]["test"] == dict.fromkeys(data.classes, 2)
    assert described["num_smears_on_two_sides"] == 0


# Without the first resize, at 8 pixels, Pillow reads the JPEGs fast.
QUICK = Settings(first_size=0, image_size=8, gray=True)


def test_the_papers_division_of_the_real_images(real_data: Path, cache_dir: Path) -> None:
    parts = []
    for seed in (0, 1):
        data = load_data(
            "paper", QUICK, Places(real_data, cache_dir), num_classes=4, draw=Draw(seed)
        )
        parts.append(data.partition)
        assert data.prepared.splits["TEST"].num_examples == 2487
        train, _, test = data.partition
        assert (len(train.label), len(test.label)) == (1987, 500)
        assert len({*train.filename, *test.filename}) == 2487
        counts = Counter(train.label.tolist()) + Counter(test.label.tolist())
        assert counts == {0: 623, 1: 620, 2: 620, 3: 624}
        folders = [name.split("/")[-2].lower() for name in test.filename]
        assert [data.classes.index(folder) for folder in folders] == test.label.tolist()
    assert set(parts[0].test.filename) != set(parts[1].test.filename)


BLOOD_CELLS = [name for name, protocol in PROTOCOLS.items() if protocol.dataset == "blood_cells"]


@pytest.mark.parametrize("validation_share", [0.0, 0.2])
@pytest.mark.parametrize("name", BLOOD_CELLS)
def test_smears_of_the_real_images_on_two_sides_only_where_it_says_so(
    name: str, validation_share: float, real_data: Path, cache_dir: Path
) -> None:
    folds = range(get_protocol(name).num_folds)
    draws = [Draw(0, validation_share, fold) for fold in folds] + [Draw(1, validation_share)]
    for draw in draws:
        data = load_data(name, QUICK, Places(real_data, cache_dir), num_classes=4, draw=draw)
        described = data.describe()
        shared, smears = described["num_smears_on_two_sides"], described["smears"]
        if described["is_leaky"]:
            assert shared > 0.7 * sum(smears["train"].values())
        else:
            assert shared == described["num_scenes_on_two_sides"] == 0
        assert all(count > 0 for part in ("train", "test") for count in smears[part].values())
        assert (described["num_validation"] > 0) == (validation_share > 0)
