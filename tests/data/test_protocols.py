"""Who is in train and test: sizes, nobody in both, the same for the same seed."""

from collections import Counter

import numpy as np
import pytest

from wbc_jax.data.examples import Examples, concatenate
from wbc_jax.data.protocols import PROTOCOLS, Partition, get_protocol, stratified_rows
from wbc_jax.datasets import catalog
from wbc_jax.errors import UserError


def make_examples(labels: list[int], prefix: str = "image") -> Examples:
    """One-pixel images whose pixel tells their row, so that a mixed-up row would show."""
    rows = np.arange(len(labels))
    names = np.array([f"{prefix}/{row}.png" for row in rows])
    image = (rows % 256).astype(np.uint8)[:, None, None, None]
    return Examples(image, np.array(labels, np.int32), names)


def rows_of(examples: Examples) -> list[int]:
    return [int(name.split("/")[1].removesuffix(".png")) for name in examples.filename]


def assert_rows_belong_together(examples: Examples, labels: list[int]) -> None:
    rows = rows_of(examples)
    np.testing.assert_array_equal(examples.label, np.array(labels)[rows])
    np.testing.assert_array_equal(examples.image.ravel(), np.array(rows) % 256)


def divide(name: str, labels: list[int], seed: int) -> Partition:
    protocol = get_protocol(name)
    (split,) = protocol.splits
    return protocol.divide({split: make_examples(labels)}, seed)


def test_examples_are_taken_and_put_together_by_row() -> None:
    examples = concatenate([make_examples([0, 1], "a"), make_examples([2, 3], "b")]).take(
        np.array([3, 0])
    )
    assert examples.filename.tolist() == ["b/1.png", "a/0.png"]
    assert examples.label.tolist() == [3, 0]
    assert examples.image.ravel().tolist() == [1, 0]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_names_a_data_set_of_the_catalogue(name: str) -> None:
    protocol = get_protocol(name)
    assert protocol.name == name
    assert catalog.get(protocol.dataset).classes
    assert protocol.description.endswith(".")


def test_the_leaky_protocols_say_so() -> None:
    assert {name for name in PROTOCOLS if "LEAKY" in " ".join(PROTOCOLS[name].warnings)} == {
        "paper",
        "paper_dev",
    }
    assert "71 smears" in PROTOCOLS["paper"].warnings[0]
    assert "277 smears" in PROTOCOLS["paper_dev"].warnings[0]


@pytest.mark.parametrize(
    ("name", "split", "num_images"), [("paper", "TEST", 2487), ("paper_dev", "TRAIN", 9957)]
)
def test_the_papers_division(name: str, split: str, num_images: int) -> None:
    assert get_protocol(name).splits == (split,)
    labels = np.random.default_rng(0).integers(0, 4, num_images).tolist()
    train, test = divide(name, labels, seed=0)
    assert (len(train.label), len(test.label)) == (1987, 500)
    assert len({*train.filename, *test.filename}) == 2487
    for part in (train, test):
        assert_rows_belong_together(part, labels)

    same = divide(name, labels, seed=0)
    np.testing.assert_array_equal(test.filename, same.test.filename)
    np.testing.assert_array_equal(train.filename, same.train.filename)
    other = set(divide(name, labels, seed=1).test.filename)
    # By chance, two draws of 500 from all images share 500 * 500 / num_images.
    assert len(other & set(test.filename)) < 2 * 500 * 500 / num_images


def test_paper_dev_draws_from_all_of_train() -> None:
    rows = [r for part in divide("paper_dev", [0] * 9957, seed=0) for r in rows_of(part)]
    assert max(rows) > 9900
    assert min(rows) < 57
    assert np.mean(rows) == pytest.approx(9956 / 2, rel=0.05)


@pytest.mark.parametrize("num_classes", [4, 5])
def test_lisc_is_divided_class_by_class(num_classes: int) -> None:
    sizes = [10, 53, 20, 2, 48][:num_classes]
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    train, test = divide("lisc", labels, seed=0)
    expected = dict(enumerate([2, 11, 4, 1, 10][:num_classes]))  # a fifth, one at the least
    assert Counter(test.label.tolist()) == expected
    assert sorted(rows_of(train) + rows_of(test)) == list(range(len(labels)))
    for part in (train, test):
        assert_rows_belong_together(part, labels)
    assert rows_of(divide("lisc", labels, seed=0).test) == rows_of(test)
    assert rows_of(divide("lisc", labels, seed=1).test) != rows_of(test)


def test_a_class_of_two_has_one_image_on_each_side() -> None:
    train, test = stratified_rows(np.array([0, 0, 1, 1]), share=0.9, seed=0)
    assert len(train) == len(test) == 2
    assert {0, 1} == {row // 2 for row in train} == {row // 2 for row in test}


def test_a_class_of_one_image_cannot_be_divided() -> None:
    with pytest.raises(UserError, match=r"class 2 has 1 image; .* at least 2"):
        divide("lisc", [0, 0, 1, 1, 2], seed=0)


@pytest.mark.parametrize(
    ("name", "train_split", "test_split"),
    [("official", "TRAIN", "TEST"), ("synthetic", "train", "test"), ("smoke", "train", "test")],
)
def test_the_other_protocols_take_the_splits_as_they_are(
    name: str, train_split: str, test_split: str
) -> None:
    protocol = get_protocol(name)
    splits = {train_split: make_examples([0, 1, 2], "a"), test_split: make_examples([3], "b")}
    assert set(protocol.splits) == splits.keys()
    for seed in (0, 1):
        train, test = protocol.divide(splits, seed)
        assert train is splits[train_split]
        assert test is splits[test_split]


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(UserError, match=r"protocol 'kfold' is not known; there are: synthetic, "):
        get_protocol("kfold")
