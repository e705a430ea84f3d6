"""What is counted over all pictures, and over those of each folder."""

import pytest

from wbc_jax.prediction.pictures import HERE, Pictures
from wbc_jax.prediction.records import UNCERTAIN
from wbc_jax.prediction.total import Total


def white(answer: str, most_probable: str = "b") -> dict[str, str]:
    return {"kind": "WBC", "class": answer, "most_probable": most_probable}


def folders(*names: str) -> list[str]:
    folder_of = Pictures(names, lambda name: b"").folder_of
    return [folder_of(name) for name in names]


def test_the_uppermost_folder_that_tells_pictures_apart_is_theirs() -> None:
    assert folders("s1/a.png", "s1/x/b.png", "s2/a.png") == ["s1", "s1", "s2"]
    assert folders("in/s1/a.png", "in/s2/a.png", "in/s2/b.png") == ["s1", "s2", "s2"]
    assert folders("a.png", "s1/b.png") == [HERE, "s1"]
    assert folders("in/a.png", "in/s1/b.png") == [HERE, "s1"]
    assert folders("in/s1/a.png", "in/s1/b.png") == [HERE, HERE]
    assert folders("a.png") == [HERE]
    others = ("log/scan.log", "notes.txt", "in/list.csv")
    assert folders("in/s1/a.png", "in/s2/a.png", *others) == ["s1", "s2", HERE, HERE, HERE]
    assert folders("s1/scan", "s2/scan") == ["s1", "s2"], "names without an ending"


def test_uncertain_cells_are_counted_by_their_most_probable_class() -> None:
    total = Total(["a", "b"], folder_of=lambda name: HERE)
    total.add("x.png", [white("b"), white(UNCERTAIN), white(UNCERTAIN), {"kind": "RBC"}])
    found = total.describe()
    classes = found["differential"]["classes"]
    assert {name: (row["count"], row["uncertain"]) for name, row in classes.items()} == {
        "a": (0, 0),
        "b": (1, 2),
    }
    assert (found["num_white"], found["counts"]["RBC"]) == (3, 1)
    assert found["differential"]["uncertain"]["share"] == pytest.approx(2 / 3)


def test_each_folder_has_its_own_counts_and_all_have_the_sum() -> None:
    total = Total(["a", "b"], folder_of=lambda name: name.split("/")[0])
    for name, cells in {
        "s2/1.png": [white("a"), white("a"), {"kind": "RBC"}],
        "s1/1.png": [white("b"), white(UNCERTAIN)],
        "s2/2.png": [white("b"), {"kind": "Platelets"}],
        "s3/1.png": [],
    }.items():
        total.add(name, cells)
    for name in ("s1/2.png", "s4/1.heic"):
        total.add_bad(name, "cannot be read")
    found = total.describe()
    own = found["folders"]
    assert list(own) == ["s2", "s1", "s3", "s4"], "in the order of the pictures"
    assert [one["num_images"] for one in own.values()] == [2, 1, 1, 0]
    assert [one["num_bad_files"] for one in own.values()] == [0, 1, 0, 1]
    assert found["num_bad_files"] == 2
    assert own["s2"]["counts"] == {"RBC": 1, "WBC": 3, "Platelets": 1}
    assert own["s2"]["differential"]["classes"]["a"]["share"] == pytest.approx(2 / 3)
    assert own["s1"]["differential"]["uncertain"]["count"] == 1
    assert own["s3"]["differential"]["classes"]["a"]["share"] is None
    for kind, count in found["counts"].items():
        assert count == sum(one["counts"][kind] for one in own.values())
    assert found["differential"]["answered"] == 4
