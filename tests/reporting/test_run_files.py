import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from wbc_jax.errors import UserError
from wbc_jax.reporting.run_files import read_predictions, read_run, read_smear_predictions


def _fails(path: Path, *parts: str) -> None:
    """Reading the run at or around `path` fails with one line that names it and each of `parts`."""
    with pytest.raises(UserError) as caught:
        read_predictions(read_run(path.parent if path.suffix else path))
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *parts):
        assert part in message


def _monocyte(results):
    return results["test"]["per_class"]["monocyte"]


def _train(results):
    return results["epochs"][0]["train"]


def test_a_finished_run_is_read(make_run):
    path = make_run(seed=3)
    run = read_run(path)
    assert run.path == path
    assert run.results == json.loads((path / "results.json").read_text())
    assert run.config["train"]["batch_size"] == 32
    assert not run.is_synthetic
    predictions = read_predictions(run)
    assert predictions.filenames[7] == "TEST/0007.jpeg"
    assert predictions.labels.tolist() == [index % 4 for index in range(40)]
    assert predictions.sources[27] == "TEST_smear_07"
    assert predictions.probabilities.shape == (40, 4)
    smears = read_smear_predictions(run)
    assert smears.labels.tolist() == [index % 4 for index in range(20)]
    copies = predictions.probabilities[[7, 27]]
    np.testing.assert_allclose(smears.probabilities[7], copies.mean(axis=0), rtol=1e-5)


def test_synthetic_data_is_recognised(make_run):
    assert read_run(make_run(dataset="synthetic_smears/default")).is_synthetic


def test_missing_directory(tmp_path):
    _fails(tmp_path / "nowhere", "does not exist", "give the working directory")


def test_a_directory_that_is_no_run(tmp_path):
    _fails(tmp_path, "is not a run directory", "config.json")


def test_an_unfinished_run(make_run):
    path = make_run()
    (path / "results.json").unlink()
    _fails(path, "is not finished", "results.json", "start it again with the same config")


@pytest.mark.parametrize("name", ["environment.json", "dataset.json", "predictions.npz"])
def test_a_missing_file(make_run, name):
    path = make_run()
    (path / name).unlink()
    _fails(path / name, "is missing", "run it again")


@pytest.mark.parametrize("name", ["config", "environment", "dataset", "results"])
@pytest.mark.parametrize("content", [b'{"model": ', b"", b"\xff\xfe{}"])
def test_damaged_json(make_run, name, content):
    path = make_run()
    (path / f"{name}.json").write_bytes(content)
    _fails(path / f"{name}.json", "is damaged", "not valid JSON", "run it again")


def test_json_that_is_no_object(make_run):
    path = make_run()
    (path / "dataset.json").write_text("[1, 2]")
    _fails(path / "dataset.json", "its content is [1, 2], must be dict")


@pytest.mark.parametrize(
    ("name", "field", "change"),
    [
        ("results", "model", lambda r: r.pop("model")),
        ("results", "test.macro_f1", lambda r: r["test"].pop("macro_f1")),
        ("results", "test.per_class.monocyte.f1", lambda r: _monocyte(r).pop("f1")),
        ("results", "test.per_class.monocyte", lambda r: r["test"]["per_class"].pop("monocyte")),
        ("results", "epochs[1].test", lambda r: r["epochs"][1].pop("test")),
        ("results", "is_leaky", lambda r: r.pop("is_leaky")),
        ("results", "test_smears", lambda r: r.pop("test_smears")),
        ("results", "test.auroc.macro", lambda r: r["test"]["auroc"].pop("macro")),
        ("results", "test.auroc.monocyte", lambda r: r["test"]["auroc"].pop("monocyte")),
        ("results", "intervals.smear.mcc", lambda r: r["intervals"]["smear"].pop("mcc")),
        ("results", "test.reliability.raw", lambda r: r["test"]["reliability"].pop("raw")),
        ("results", "epochs[0].train.binary_accuracy", lambda r: _train(r).pop("binary_accuracy")),
        ("dataset", "warnings", lambda d: d.pop("warnings")),
        ("dataset", "splits.TEST.digest", lambda d: d["splits"]["TEST"].pop("digest")),
    ],
)
def test_a_missing_field_is_named(make_run, edit_json, name, field, change):
    path = make_run()
    edit_json(path / f"{name}.json", change)
    _fails(path / f"{name}.json", f"lacks the field '{field}'", "run it again")


@pytest.mark.parametrize(
    ("field", "value", "change"),
    [
        ("seed", "'zero'", lambda r: r.update(seed="zero")),
        ("num_test", "True", lambda r: r.update(num_test=True)),
        ("is_leaky", "1", lambda r: r.update(is_leaky=1)),
        ("validation", "'none'", lambda r: r.update(validation="none")),
        ("epochs", "5", lambda r: r.update(epochs=5)),
        ("test.confusion_matrix[1]", "0", lambda r: r["test"].update(confusion_matrix=[[1], 0])),
        (
            "test.confusion_matrix[0][1]",
            "0.5",
            lambda r: r["test"].update(confusion_matrix=[[1, 0.5]]),
        ),
    ],
)
def test_a_field_of_the_wrong_kind_is_named_with_its_value(
    make_run, edit_json, field, value, change
):
    path = make_run()
    edit_json(path / "results.json", change)
    _fails(path / "results.json", f"the field '{field}' is {value}", "must be")


def test_a_confusion_matrix_of_another_size(make_run, edit_json):
    path = make_run()
    edit_json(path / "results.json", lambda r: r["test"]["confusion_matrix"].pop())
    _fails(path / "results.json", "test.confusion_matrix", "4 classes")


def test_smears_of_another_test_set(make_run, edit_json):
    path = make_run()
    edit_json(path / "results.json", lambda r: r["test"].update(num_smears=19))
    with pytest.raises(
        UserError, match=r"results\.json states 19 test smears of 4 classes; move the run"
    ):
        read_smear_predictions(read_run(path))


def test_no_epoch(make_run, edit_json):
    path = make_run()
    edit_json(path / "results.json", lambda r: r.update(epochs=[]))
    _fails(path / "results.json", "'epochs' is empty")


def test_damaged_predictions(make_run):
    path = make_run()
    file = path / "predictions.npz"
    whole = file.read_bytes()
    for content in (b"", b"no zip file", whole[: len(whole) // 2]):
        file.write_bytes(content)
        _fails(file, "cannot be read", "run it again")
    # One flipped byte: of the zip, of the compression, of an array's head.
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with suppress(UserError):
            read_predictions(read_run(path))


def test_pickled_predictions_are_not_unpacked(make_run):
    path = make_run()
    np.savez(
        path / "predictions.npz",
        filename=np.array([{}], dtype=object),
        label=np.zeros(1, int),
        probabilities=np.zeros((1, 4)),
    )
    _fails(path / "predictions.npz", "cannot be read", "allow_pickle=False")


def test_predictions_without_an_array(make_run):
    path = make_run()
    with np.load(path / "predictions.npz") as file:
        old = {name: file[name] for name in ("filename", "label", "probabilities")}
    np.savez(path / "predictions.npz", **old)  # as before smears were recorded
    _fails(path / "predictions.npz", "lacks an array", "source", "run it again")


def test_predictions_of_another_test_set(make_run, edit_json):
    path = make_run()
    edit_json(path / "results.json", lambda r: r.update(num_test=41))
    _fails(path / "predictions.npz", "results.json states 41 test images of 4 classes")
