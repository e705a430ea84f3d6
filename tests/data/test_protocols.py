"""Who is in train and test: sizes, nobody in both, the same for the same seed."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.data.random_smears import (
    draw_examples,
    join_scenes,
    make_examples,
    rows_of,
    smears_by_class,
)
from wbc_jax.data import protocols
from wbc_jax.data.examples import Examples, concatenate
from wbc_jax.data.protocols import PROTOCOLS, Draw, Partition, get_protocol, stratified_rows
from wbc_jax.data.splitting import random_holdout_of_some_smears
from wbc_jax.datasets import catalog
from wbc_jax.datasets.catalog import UNRESOLVED
from wbc_jax.errors import UserError


def own_smears(labels: list[int], prefix: str = "image") -> Examples:
    """Examples that are the only copies of their smears."""
    return make_examples(labels, [f"{prefix} {row}" for row in range(len(labels))], prefix)


def assert_rows_belong_together(examples: Examples, whole: Examples) -> None:
    for ours, theirs in zip(examples, whole.take(np.array(rows_of(examples))), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def divide(name: str, labels: list[int], seed: int) -> Partition:
    protocol = get_protocol(name)
    (split,) = protocol.splits
    return protocol.divide({split: own_smears(labels)}, Draw(seed))


def draw_splits(name: str, seed: int, *, num_unresolved: int = 0) -> dict[str, Examples]:
    """The splits that a protocol needs, each of smears of its own."""
    return {
        split: draw_examples(
            (9, 31, 14, 10), seed=seed + 1000 * i, num_unresolved=num_unresolved, prefix=split
        )
        for i, split in enumerate(get_protocol(name).splits)
    }


def divided(name: str, splits: dict[str, Examples]) -> dict[str, Examples]:
    """The splits whose examples a protocol hands out."""
    names = get_protocol(name).splits[: 1 if name.endswith("_dev") else None]
    return {split: splits[split] for split in names}


def smears(examples: Examples) -> set[str]:
    return set(examples.source.tolist())


def test_examples_are_taken_and_put_together_by_row() -> None:
    examples = concatenate([own_smears([0, 1], "a"), own_smears([2, 3], "b")]).take(
        np.array([3, 0])
    )
    assert examples.filename.tolist() == ["b/1.png", "a/0.png"]
    assert examples.label.tolist() == [3, 0]
    assert examples.source.tolist() == ["b 1", "a 0"]
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
    for name in ("paper", "paper_dev"):
        assert "71 smears" in PROTOCOLS[name].warnings[0]


def test_a_protocol_is_leaky_where_it_warns_of_it() -> None:
    for protocol in PROTOCOLS.values():
        assert protocol.is_leaky == ("LEAKY" in " ".join(protocol.warnings))


def test_the_papers_division() -> None:
    assert get_protocol("paper").splits == ("TEST",)
    labels = np.random.default_rng(0).integers(0, 4, 2487).tolist()
    train, validation, test = divide("paper", labels, seed=0)
    assert (len(train.label), len(validation.label), len(test.label)) == (1987, 0, 500)
    assert len({*train.filename, *test.filename}) == 2487
    for part in (train, test):
        assert_rows_belong_together(part, own_smears(labels))

    same = divide("paper", labels, seed=0)
    np.testing.assert_array_equal(test.filename, same.test.filename)
    np.testing.assert_array_equal(train.filename, same.train.filename)
    other = set(divide("paper", labels, seed=1).test.filename)
    # By chance, two draws of 500 from all images share 500 * 500 / 2487.
    assert len(other & set(test.filename)) < 2 * 500 * 500 / 2487


def test_paper_dev_divides_as_many_smears_of_train_as_test_has() -> None:
    protocol = get_protocol("paper_dev")
    # 36 copies of each smear, as TRAIN has: the 71 that are drawn have some too many.
    names = [(label, f"{label}-{i}") for label, n in enumerate((40, 20, 17, 200)) for i in range(n)]
    labels, sources = zip(*[*names * 36, *[(0, UNRESOLVED)] * 50], strict=True)
    examples = make_examples(labels, sources)
    drawn = []
    for seed in (0, 1):
        splits = {"TRAIN": examples, "TEST": own_smears([0, 1, 2, 3], "TEST")}
        train, _, test = protocol.divide(splits, Draw(seed))
        assert (len(train.label), len(test.label)) == (1987, 500)
        assert len({*train.filename, *test.filename}) == 2487
        for part in (train, test):
            assert_rows_belong_together(part, examples)
        both = concatenate([train, test])
        counts = [len(found) for found in smears_by_class(both).values()]
        assert counts == [13, 6, 4, 48]
        assert UNRESOLVED not in smears(both)
        drawn.append(smears(both))
    assert len(drawn[0] & drawn[1]) < 40


@pytest.mark.parametrize("name", ["paper_dev", "official_dev"])
def test_settings_are_chosen_without_a_cell_of_test(name: str) -> None:
    apart = draw_splits(name, seed=3)
    splits = join_scenes(apart, num_scenes=12, seed=3)
    assert scenes(splits["TRAIN"]) & scenes(splits["TEST"])
    train, _, test = get_protocol(name).divide(splits, Draw(seed=0))
    for part in (train, test):
        assert not scenes(part) & scenes(splits["TEST"])
        assert smears(part) <= smears(apart["TRAIN"])


@pytest.mark.parametrize("num_classes", [4, 5])
def test_lisc_is_divided_class_by_class(num_classes: int) -> None:
    sizes = [10, 53, 20, 2, 48][:num_classes]
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    train, _, test = divide("lisc", labels, seed=0)
    expected = dict(enumerate([2, 11, 4, 1, 10][:num_classes]))  # a fifth, one at the least
    assert Counter(test.label.tolist()) == expected
    assert sorted(rows_of(train) + rows_of(test)) == list(range(len(labels)))
    for part in (train, test):
        assert_rows_belong_together(part, own_smears(labels))
    assert rows_of(divide("lisc", labels, seed=0).test) == rows_of(test)
    assert rows_of(divide("lisc", labels, seed=1).test) != rows_of(test)


def test_a_class_of_two_has_one_image_on_each_side() -> None:
    train, test = stratified_rows(np.array([0, 0, 1, 1]), share=0.9, seed=0)
    assert len(train) == len(test) == 2
    assert {0, 1} == {row // 2 for row in train} == {row // 2 for row in test}


def test_a_class_of_one_image_cannot_be_divided() -> None:
    with pytest.raises(UserError, match=r"class 2 has 1 smear; .* at least 2"):
        divide("lisc", [0, 0, 1, 1, 2], seed=0)


@pytest.mark.parametrize(
    ("name", "train_split", "test_split"),
    [("official", "TRAIN", "TEST"), ("synthetic", "train", "test"), ("smoke", "train", "test")],
)
def test_the_other_protocols_take_the_splits_as_they_are(
    name: str, train_split: str, test_split: str
) -> None:
    protocol = get_protocol(name)
    splits = {train_split: own_smears([0, 1, 2], "a"), test_split: own_smears([3], "b")}
    assert set(protocol.splits) == splits.keys()
    for seed in (0, 1):
        train, validation, test = protocol.divide(splits, Draw(seed))
        assert_rows_belong_together(train, splits[train_split])
        assert rows_of(train) == [0, 1, 2]
        assert len(validation.label) == 0
        assert test is splits[test_split]


NOT_LEAKY = [name for name, protocol in PROTOCOLS.items() if not protocol.is_leaky]
FOLDED = ["crossval", "official_dev"]


@pytest.mark.parametrize("validation_share", [0.0, 0.2])
@pytest.mark.parametrize("name", NOT_LEAKY)
def test_no_smear_is_on_two_sides(name: str, validation_share: float) -> None:
    protocol = get_protocol(name)
    for seed in range(20):
        splits = draw_splits(name, seed, num_unresolved=7)
        whole = concatenate(list(divided(name, splits).values()))
        for fold in range(protocol.num_folds):
            parts = protocol.divide(splits, Draw(seed, validation_share, fold))
            known = [smears(part) - {UNRESOLVED} for part in parts]
            assert sum(map(len, known)) == len(set.union(*known))
            assert set.union(*known) == smears(whole) - {UNRESOLVED}
            files = [name for part in parts for name in part.filename]
            assert len(files) == len(set(files))


@pytest.mark.parametrize("name", ["paper_grouped", "official_dev", "crossval", "lisc"])
def test_copies_of_unknown_smears_are_in_no_part_of_a_division_by_smear(name: str) -> None:
    splits = draw_splits(name, seed=0, num_unresolved=20)
    num_known = sum(
        int((part.source != UNRESOLVED).sum()) for part in divided(name, splits).values()
    )
    for validation_share in (0.0, 0.2):
        parts = get_protocol(name).divide(splits, Draw(0, validation_share))
        assert not any(UNRESOLVED in part.source for part in parts)
        assert sum(len(part.label) for part in parts) == num_known


def test_copies_of_unknown_smears_are_neither_trained_on_nor_validated_with() -> None:
    """In the data set's own division, once training and validation are divided by smear."""
    splits = draw_splits("official", seed=0, num_unresolved=20)
    train, validation, test = get_protocol("official").divide(splits, Draw(0, 0.2))
    assert UNRESOLVED not in smears(train) | smears(validation)
    assert test is splits["TEST"]


@pytest.mark.parametrize("name", ["paper_grouped", "lisc"])
def test_a_fifth_of_every_classs_smears_is_tested_on(name: str) -> None:
    for seed in range(10):
        train, _, test = get_protocol(name).divide(draw_splits(name, seed), Draw(seed))
        counts = [len(found) for found in smears_by_class(test).values()]
        assert counts == [2, 6, 3, 2]  # of 9, 31, 14 and 10
        assert [len(found) for found in smears_by_class(train).values()] == [7, 25, 11, 8]


# Own slides are of any size: their cells are evened out, see test_divisions.py.
@pytest.mark.parametrize("name", sorted({*NOT_LEAKY} - {"own"}))
def test_validation_is_a_share_of_every_classs_training_smears(name: str) -> None:
    splits, seed = draw_splits(name, seed=3), 5
    before = get_protocol(name).divide(splits, Draw(seed))
    train, validation, test = get_protocol(name).divide(splits, Draw(seed, 0.25))
    assert test.filename.tolist() == before.test.filename.tolist()
    assert smears(train) | smears(validation) == smears(before.train)
    for label, found in smears_by_class(before.train).items():
        held = smears_by_class(validation)[label]
        assert len(held) == round(0.25 * len(found))
    for part in (train, validation):
        assert rows_of(part) == [
            row
            for row, smear in zip(rows_of(before.train), before.train.source, strict=True)
            if smear in smears(part)
        ]


def test_a_leaky_protocol_validates_as_it_tests_by_image() -> None:
    splits = {"TEST": draw_examples((60, 70, 60, 60), seed=0, most_copies=40)}
    before = get_protocol("paper").divide(splits, Draw(1))
    train, validation, test = get_protocol("paper").divide(splits, Draw(1, 0.2))
    assert test.filename.tolist() == before.test.filename.tolist()
    sizes = Counter(before.train.label.tolist())
    assert Counter(validation.label.tolist()) == {k: round(0.2 * n) for k, n in sizes.items()}
    assert sorted([*train.filename, *validation.filename]) == sorted(before.train.filename)
    assert smears(train) & smears(validation)


@pytest.mark.parametrize("name", FOLDED)
def test_the_folds_test_on_every_smear_once_and_are_balanced(name: str) -> None:
    protocol = get_protocol(name)
    for seed in range(10):
        splits = draw_splits(name, seed, num_unresolved=11)
        whole = smears_by_class(concatenate(list(divided(name, splits).values())))
        tests = [protocol.divide(splits, Draw(seed, 0.2, fold)).test for fold in range(5)]
        tested = Counter(smear for test in tests for smear in smears(test))
        assert tested == dict.fromkeys(set.union(*whole.values()), 1)
        for label, found in whole.items():
            counts = [len(smears_by_class(test)[label]) for test in tests]
            assert sum(counts) == len(found)
            assert max(counts) - min(counts) <= 1
        in_all = [len(smears(test)) for test in tests]
        assert max(in_all) - min(in_all) <= 1


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_seed_decides_the_division(name: str) -> None:
    protocol = get_protocol(name)
    splits = {
        split: draw_examples((30, 31, 34, 32), seed=i, most_copies=40, prefix=split)
        for i, split in enumerate(protocol.splits)
    }

    def names(seed: int) -> list[list[str]]:
        return [part.filename.tolist() for part in protocol.divide(splits, Draw(seed, 0.2))]

    assert names(0) == names(0)
    train, validation, test = names(0)
    others = names(1)
    assert others[0] != train
    assert others[1] != validation
    assert (others[2] == test) == (name in ("synthetic", "smoke", "official", "bccd"))


def scenes(examples: Examples) -> set[str]:
    return set(examples.scene.tolist()) - {UNRESOLVED}


@pytest.mark.parametrize("validation_share", [0.0, 0.2])
@pytest.mark.parametrize("name", NOT_LEAKY)
def test_no_scene_is_on_two_sides_and_only_training_images_are_left_out_for_it(
    name: str, validation_share: float
) -> None:
    protocol, num_left_out = get_protocol(name), 0
    for seed in range(10):
        apart = draw_splits(name, seed, num_unresolved=5)
        splits = apart | join_scenes(divided(name, apart), num_scenes=12, seed=seed)
        for fold in range(protocol.num_folds):
            without = protocol.divide(apart, Draw(seed, 0.0, fold))
            parts = protocol.divide(splits, Draw(seed, validation_share, fold))
            train, validation, test = parts
            assert not scenes(train) & scenes(test)
            assert not scenes(train) & scenes(validation)
            assert not scenes(validation) & scenes(test)
            # The test is that of smears which overlap no other.
            assert test.filename.tolist() == without.test.filename.tolist()
            whole = concatenate(list(divided(name, splits).values()))
            used = {*train.filename, *validation.filename}
            left = {*without.train.filename} - used
            assert used < {*without.train.filename} or not left
            is_left = np.isin(whole.filename, list(left)) & (whole.source != UNRESOLVED)
            tested = scenes(test) | scenes(validation)
            assert set(whole.scene[is_left].tolist()) <= tested
            num_left_out += len(left)
    assert num_left_out > 0


def test_a_leaky_protocol_leaves_out_nothing() -> None:
    apart = {"TEST": draw_examples((60, 70, 60, 60), seed=0)}
    parts = get_protocol("paper").divide(join_scenes(apart, num_scenes=50, seed=0), Draw(0, 0.2))
    assert sum(len(part.label) for part in parts) == len(apart["TEST"].label)


@pytest.mark.parametrize("name", ["synthetic", "smoke", "official"])
def test_of_a_smear_in_both_splits_only_the_tested_copies_are_used(name: str) -> None:
    protocol = get_protocol(name)
    first, second = protocol.splits
    splits = {
        first: make_examples([0, 0, 1, 1], ["a", "b", "c", UNRESOLVED], "first"),
        second: make_examples([0, 1, 1], ["d", "c", UNRESOLVED], "second"),
    }
    train, _, test = protocol.divide(splits, Draw(0))
    assert train.source.tolist() == ["a", "b", UNRESOLVED]  # of which nobody knows
    assert test.source.tolist() == ["d", "c", UNRESOLVED]


@pytest.mark.parametrize("same", ["source", "scene"])
def test_a_promise_that_is_not_kept_is_our_fault_and_not_passed_over(
    same: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "without_scenes_of", lambda tested, trained: trained)
    splits = {
        split: part._replace(**{same: np.where(part.label == 1, "c", part.source)})
        for split, part in draw_splits("official", seed=0).items()
    }
    with pytest.raises(RuntimeError, match="protocol official has put c on two sides"):
        get_protocol("official").divide(splits, Draw(0))


@pytest.mark.parametrize("fold", [-1, 1, 5])
def test_a_fold_that_is_not_there_is_refused(fold: int) -> None:
    splits = draw_splits("paper_grouped", seed=0)
    message = (
        rf"data\.fold={fold} must lie in \[0, 1\): paper_grouped .* crossval, own, bccd_dev have 5"
    )
    with pytest.raises(UserError, match=message):
        get_protocol("paper_grouped").divide(splits, Draw(0, fold=fold))


@pytest.mark.parametrize("name", FOLDED)
def test_those_that_have_folds_have_five(name: str) -> None:
    splits = draw_splits(name, seed=0)
    with pytest.raises(UserError, match=rf"data\.fold=5 must lie in \[0, 5\): {name} has 5 fold"):
        get_protocol(name).divide(splits, Draw(0, fold=5))


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
@pytest.mark.parametrize("name", ["official", "paper"])
def test_a_validation_share_out_of_range_is_refused(name: str, share: float) -> None:
    message = rf"data\.validation_share={share} must lie in \[0, 1\).*; 0 holds out none"
    with pytest.raises(UserError, match=message):
        get_protocol(name).divide(draw_splits(name, seed=0), Draw(0, share))


@pytest.mark.parametrize("is_leaky", [False, True])
def test_the_seed_decides_what_is_held_out_of_the_same_training_part(is_leaky: bool) -> None:
    protocol = replace(get_protocol("official"), is_leaky=is_leaky)
    splits = draw_splits("official", seed=0)
    held = [
        sorted(protocol.divide(splits, Draw(seed, 0.3)).validation.filename.tolist())
        for seed in (0, 1, 0)
    ]
    assert held[0] == held[2] != held[1]


def test_the_seed_decides_which_copies_of_the_same_smears_are_tested() -> None:
    """Four smears of each class are all that there are, so that the seed draws images alone."""
    smears = np.arange(600) % 16
    examples = make_examples((smears % 4).tolist(), [f"s{smear:02d}" for smear in smears], "image")
    tested = []
    for seed in (0, 1, 0):
        train, test = random_holdout_of_some_smears({"TRAIN": examples}, Draw(seed))
        assert (len(train.label), len(test.label)) == (100, 500)
        # In the order of the data set, whichever was drawn first.
        assert [rows_of(part) == sorted(rows_of(part)) for part in (train, test)] == [True] * 2
        tested.append(rows_of(test))
    assert tested[0] == tested[2] != tested[1]


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_is_no_random_key_is_refused(seed: int) -> None:
    with pytest.raises(UserError, match=rf"seed={seed} must lie in \[0, 2\^32\)"):
        get_protocol("official").divide(draw_splits("official", seed=0), Draw(seed))


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(UserError, match=r"protocol 'kfold' is not known; there are: synthetic, "):
        get_protocol("kfold")
