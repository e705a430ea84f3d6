"""A folder of pictures in, files and counts out: with the run's own answers."""

import csv
import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from wbc_jax.atomic_files import temporary_name
from wbc_jax.data.preprocessing import preprocess
from wbc_jax.datasets.decoding import UndecodableError
from wbc_jax.errors import UserError
from wbc_jax.evaluation.classifier import load_classifier
from wbc_jax.file_lock import only_one
from wbc_jax.prediction import card_shelf
from wbc_jax.prediction import predict as module
from wbc_jax.prediction.describe import cells_of
from wbc_jax.prediction.differential import share_with_interval
from wbc_jax.prediction.predict import predict
from wbc_jax.prediction.predictor import Predictor
from wbc_jax.seeds.classical import ClassicalDetector
from wbc_jax.seeds.seed_points import KINDS, Detector, Seeds

Launch = Callable[..., subprocess.CompletedProcess[str]]
RBC, WBC, PLATELETS = range(3)


class Predicted(NamedTuple):
    output: Path
    said: str
    content: dict[str, Any]
    rows: list[dict[str, str]]


def detect(picture: np.ndarray) -> Seeds:
    """A detector whose answer depends on the picture's size alone; it finds every kind."""
    height, width = picture.shape[:2]
    if height < 100:
        nothing = np.zeros(0, np.float32)
        return Seeds(nothing, nothing, np.zeros(0, np.int32), nothing)
    kinds = [RBC, WBC, PLATELETS, WBC] if height > 300 else [RBC, WBC, PLATELETS]
    return Seeds(
        np.linspace(40, height - 60, len(kinds), dtype=np.float32),
        np.linspace(40, width - 60, len(kinds), dtype=np.float32),
        np.array(kinds, np.int32),
        np.linspace(0.9, 0.6, len(kinds), dtype=np.float32),
    )


def read(output: Path, said: str) -> Predicted:
    content = json.loads((output / "predictions.json").read_text(encoding="utf-8"))
    with (output / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return Predicted(output, said, content, list(csv.DictReader(file)))


@pytest.fixture(scope="module")
def predicted(
    validated_run: Path, smears: Path, tmp_path_factory: pytest.TempPathFactory
) -> Predicted:
    output = tmp_path_factory.mktemp("predicted") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_detector", lambda run: detect)
        said = predict(validated_run, smears, output, why=True)
    return read(output, said)


def test_every_picture_is_there_and_bad_files_are_named(predicted: Predicted) -> None:
    names = [image["image"] for image in predicted.content["images"]]
    pictures = ["a.jpeg", "b.jpeg", "c.jpeg", "empty_slide.png"]
    assert names == [*pictures, "second/d.jpeg", "second/e.png", "second/f.tiff"]
    bad = predicted.content["bad_files"]
    assert [entry["file"] for entry in bad] == ["broken.png", "cut.jpeg"]
    assert all(entry["reason"] for entry in bad)
    assert "files left out: 2" in predicted.said


def test_the_table_has_the_columns_of_the_documentation(predicted: Predicted) -> None:
    of_class = [f"p_{name}" for name in predicted.content["classes"]]
    documented = ["image", "cell", "row", "column", "kind", "score"]
    documented += ["class", "confidence", "most_probable", *of_class]
    assert list(predicted.rows[0]) == documented
    assert len(predicted.rows) == 5 * 3 + 4
    red, white = predicted.rows[0], predicted.rows[1]
    assert (red["kind"], red["class"], red["confidence"], red["p_eosinophil"]) == (
        "RBC",
        "",
        "",
        "",
    )
    assert white["kind"] == "WBC"
    shares = [float(white[name]) for name in of_class]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert float(white["confidence"]) == pytest.approx(max(shares))
    assert white["most_probable"] == of_class[int(np.argmax(shares))].removeprefix("p_")


def test_json_and_table_say_the_same(predicted: Predicted) -> None:
    cells = [
        (image["image"], cell) for image in predicted.content["images"] for cell in image["cells"]
    ]
    assert len(cells) == len(predicted.rows)
    for (name, cell), row in zip(cells, predicted.rows, strict=True):
        assert (name, str(cell["cell"]), cell["kind"]) == (row["image"], row["cell"], row["kind"])
        assert cell.get("class", "") == row["class"]
        assert float(row["row"]) == pytest.approx(cell["row"], rel=1e-5)


def test_counts_and_shares_are_those_of_the_cells(predicted: Predicted) -> None:
    content, rows = predicted.content, predicted.rows
    kinds = [row["kind"] for row in rows]
    assert content["counts"] == {kind: kinds.count(kind) for kind in KINDS}
    answers = [row["class"] for row in rows if row["kind"] == "WBC"]
    counts = content["differential"]
    uncertain = answers.count("uncertain")
    for name in content["classes"]:
        expected = share_with_interval(answers.count(name), len(answers) - uncertain)
        best = [row["most_probable"] for row in rows if row["class"] == "uncertain"]
        assert counts["classes"][name] == expected | {"uncertain": best.count(name)}
    assert counts["uncertain"]["count"] == uncertain


def test_folders_are_counted_apart_and_add_up(predicted: Predicted) -> None:
    content = predicted.content
    with (predicted.output / "differential.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["folder"]: row for row in csv.DictReader(file)}
    assert list(rows) == list(content["folders"]) == [".", "second"]
    for folder, row in rows.items():
        own = [
            cell
            for cell in predicted.rows
            if cell["image"].startswith("second/") == (folder == "second")
        ]
        for kind in KINDS:
            assert int(row[kind]) == sum(cell["kind"] == kind for cell in own)
        for name in (*content["classes"], "uncertain"):
            assert int(row[name]) == sum(cell["class"] == name for cell in own)
    assert sum(int(row["pictures"]) for row in rows.values()) == content["num_images"]
    page = (predicted.output / "gallery.html").read_text(encoding="utf-8")
    assert "By folder, such as a slide" in page
    assert "\n  second   " in predicted.said


def test_cells_below_the_threshold_are_uncertain_and_no_others(predicted: Predicted) -> None:
    threshold = predicted.content["confidence"]["threshold"]
    white = [row for row in predicted.rows if row["kind"] == "WBC"]
    for row in white:
        is_given = threshold is not None and float(row["confidence"]) >= threshold - 1e-6
        assert row["class"] == (row["most_probable"] if is_given else "uncertain")


def test_every_picture_has_a_marked_copy(predicted: Predicted, smears: Path) -> None:
    for entry in predicted.content["images"]:
        with Image.open(predicted.output / entry["marked"]) as marked:
            scale = marked.height // entry["height"]
            assert marked.size == (scale * entry["width"], scale * entry["height"])
            with Image.open(smears / entry["image"]) as plain:
                large = plain.convert("RGB").resize(marked.size)
            differs = np.abs(np.asarray(marked, int) - np.asarray(large, int)).max(axis=2) > 90
        assert differs.any() == bool(entry["cells"])


def test_the_gallery_has_a_card_for_every_white_cell_and_says_why(predicted: Predicted) -> None:
    page = (predicted.output / "gallery.html").read_text(encoding="utf-8")
    white = [row for row in predicted.rows if row["kind"] == "WBC"]
    assert page.count('<li class="card') == len(white)
    assert page.count('alt="Grad-CAM of') == page.count('alt="Occlusion of') == len(white)


def test_of_very_many_cells_the_gallery_shows_an_even_part(
    validated_run: Path, smears: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_shelf, "MOST_CARDS", 5)
    predictor = Predictor(load_classifier(validated_run), None)
    sight = predictor.look((smears / "a.jpeg").read_bytes())
    shares = predictor.classify(sight.inputs)
    cells = cells_of(sight, shares, np.array([True]), predictor.classifier.classes)
    shelf = card_shelf.CardShelf(predictor.classifier, why=False)
    for number in range(23):
        shelf.add(str(number), cells, sight)
    assert [card.image for card in shelf.cards()] == ["0", "8", "16"]


def test_the_answer_to_a_single_cell_is_the_runs_own(
    validated_run: Path, smears: Path, tmp_path: Path
) -> None:
    said = predict(validated_run, smears, tmp_path, single_cells=True)
    found = read(tmp_path, said)
    assert not (tmp_path / "pictures").exists()
    assert {row["kind"] for row in found.rows} == {"WBC"}
    assert found.content["counts"] == {"WBC": len(found.rows)}  # others are not looked for
    assert {row["score"] for row in found.rows} == {""}
    classifier = load_classifier(validated_run)
    predictor = Predictor(classifier, None)
    names = [row["image"] for row in found.rows]
    encoded = [(smears / name).read_bytes() for name in names]
    arrays = np.stack([preprocess(content, classifier.settings) for content in encoded])
    expected = predictor.classify(arrays)
    for row, shares in zip(found.rows, expected, strict=True):
        values = [float(row[f"p_{name}"]) for name in classifier.classes]
        np.testing.assert_allclose(values, shares, atol=1e-5)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, [True, True, True]),
        ({"threshold": None}, [False, False, False]),
        ({"threshold": 0.5}, [False, True, True]),
    ],
)
def test_an_answer_is_given_from_the_threshold_on(
    choice: dict[str, Any] | None, expected: list[bool], validated_run: Path
) -> None:
    classifier = load_classifier(validated_run)
    results = classifier.run.results | {"selective": choice}
    changed = replace(classifier, run=replace(classifier.run, results=results))
    shares = np.array([[0.3, 0.4, 0.3, 0], [0.5, 0.5, 0, 0], [0, 0, 0.1, 0.9]], np.float32)
    assert Predictor(changed, None).is_certain(shares).tolist() == expected


@pytest.mark.parametrize("number", [0, 1, 8, 9, 64, 65, 130])
def test_any_number_of_windows_is_classified(number: int, validated_run: Path) -> None:
    predictor = Predictor(load_classifier(validated_run), None)
    settings = predictor.classifier.settings
    side, channels = settings.image_size, settings.channels
    random = np.random.default_rng(0)
    windows = random.integers(0, 256, (number, side, side, channels), dtype=np.uint8)
    found = predictor.classify(windows)
    assert found.shape == (number, 4)
    assert predictor._answer._cache_size() <= 2  # programs: one for each size of a batch
    one_by_one = [predictor.classify(windows[i : i + 1])[0] for i in range(0, number, 13)]
    if one_by_one:
        np.testing.assert_allclose(found[::13], np.stack(one_by_one), atol=1e-6)


def test_a_run_without_validation_says_so(finished_run: Path, smears: Path, tmp_path: Path) -> None:
    said = predict(finished_run, smears / "a.jpeg", tmp_path, single_cells=True)
    content = read(tmp_path, said).content
    assert content["temperature"] is None
    assert "are not calibrated" in said
    assert [image["image"] for image in content["images"]] == ["a.jpeg"]
    assert content["differential"]["uncertain"]["count"] == 0


@pytest.mark.parametrize("place", ["folder", "zip"])
def test_archives_within_are_named_and_not_looked_into(
    place: str,
    validated_run: Path,
    smears: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    within = ["deep/slide-2.zip", "slide-3.7z", "slide-4.RAR", "slide-5.tar", "slide-6.tar.gz"]
    (tmp_path / "in" / "deep").mkdir(parents=True)
    shutil.copy(smears / "a.jpeg", tmp_path / "in" / "deep" / "a.jpeg")
    for name in within:
        (tmp_path / "in" / name).write_bytes(b"not looked into")
    (tmp_path / "in" / "notes.txt").write_bytes(b"of no interest")
    named = tmp_path / "in"
    if place == "zip":
        named = Path(shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path / "in"))
    said = predict(validated_run, named, tmp_path / "o", single_cells=True)
    found = read(tmp_path / "o", said).content
    assert [image["image"] for image in found["images"]] == ["deep/a.jpeg"]
    reason = "an archive within: unpack it"
    assert found["bad_files"] == [{"file": name, "reason": reason} for name in within]
    assert "files left out: 5" in said
    assert f"slide-4.RAR: left out ({reason})" in caplog.text


def test_a_zip_is_read_as_a_folder(validated_run: Path, smears: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(smears / "a.jpeg", "deep/a.jpeg")
    said = predict(validated_run, tmp_path / "in.zip", tmp_path / "o", single_cells=True)
    (image,) = read(tmp_path / "o", said).content["images"]
    assert image["image"] == "deep/a.jpeg"


def test_the_command_line(
    launch: Launch, validated_run: Path, smears: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    flags = ("--mode=predict", f"--run={validated_run}", f"--workdir={output}")
    result = launch(*flags, f"--input={smears / 'second'}")
    assert result.returncode == 0, result.stderr
    assert f"gallery: {output / 'gallery.html'}" in result.stdout
    assert "Research use only, not for diagnosis." in result.stdout
    assert "LEAKY" not in result.stdout
    for mistake, words in (
        ((*flags,), "--mode=predict needs pictures: add --input="),
        ((*flags, "--input=/nowhere"), "input=/nowhere does not exist"),
        (("--mode=predict", "--input=x"), "--mode=predict needs a finished run"),
        ((*flags, f"--input={smears}", "--detector=/nowhere"), "/nowhere"),
        (
            (*flags, f"--input={smears}", "--detector=x", "--single_cells"),
            "detector=x: with --sing",
        ),
    ):
        result = launch(*mistake)
        assert result.returncode == 2, result.stderr
        assert words in result.stderr
        assert "Traceback" not in result.stderr


def test_output_and_input_are_kept_apart(validated_run: Path, smears: Path) -> None:
    for output, words in ((smears / "out", "lies within"), (validated_run, "is a run's directory")):
        with pytest.raises(UserError, match=words):
            predict(validated_run, smears, output)
    assert not (smears / "out").exists()
    inside = smears.parent / "pictures"
    inside.mkdir()
    (inside / "00001-mine.png").write_bytes(b"mine")
    with pytest.raises(UserError, match="lies where workdir"):
        predict(validated_run, inside, smears.parent)


def test_pictures_that_it_has_not_written_are_left_alone(
    validated_run: Path, smears: Path, tmp_path: Path
) -> None:
    """Even those whose names look like its own; what it has written itself makes room."""
    mine = tmp_path / "pictures" / "20240131-slide.jpg"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    one, other = sorted(smears.iterdir())[:2]
    predict(validated_run, one, tmp_path)
    (written,) = set(mine.parent.iterdir()) - {mine}
    predict(validated_run, other, tmp_path)
    assert mine.read_bytes() == b"mine"
    assert not written.exists()


@pytest.mark.parametrize("fails_in", ["annotate", "write_gallery"])
def test_a_prediction_that_fails_leaves_the_one_before_whole(
    fails_in: str,
    validated_run: Path,
    smears: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    one, other = sorted(smears.iterdir())[:2]
    predict(validated_run, one, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert len(before) == 6
    monkeypatch.setattr(f"wbc_jax.prediction.predict.{fails_in}", stop)
    with pytest.raises(KeyboardInterrupt):
        predict(validated_run, other, tmp_path)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert after == before


def test_two_predictions_do_not_write_one_folder(
    validated_run: Path, smears: Path, tmp_path: Path
) -> None:
    with (
        only_one(tmp_path / ".in_use"),
        pytest.raises(UserError, match=r"workdir=.* is in use by process \d+ on "),
    ):
        predict(validated_run, smears, tmp_path)


def test_what_a_killed_prediction_left_goes_with_the_next(
    validated_run: Path, smears: Path, tmp_path: Path
) -> None:
    """And nothing else, whatever its name begins or ends with."""
    ours = [temporary_name(tmp_path / name) for name in ("predictions.csv", "pictures")]
    ours[0].write_text("half")
    ours[1].mkdir()
    (ours[1] / "00001-a.jpg").touch()
    others = [tmp_path / ".mine.tmp", tmp_path / ".predictions.csv.tmp", tmp_path / "pictures.tmp"]
    for path in others:
        path.touch()
    predict(validated_run, smears / "a.jpeg", tmp_path, single_cells=True)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in others)


def test_a_mistake_is_told_before_the_run_is_loaded(
    smears: Path, finished_run: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "no-run"
    (tmp_path / "predictions.csv").write_text("image,label\n")
    with pytest.raises(UserError, match=r"predictions\.csv was not written by a prediction"):
        predict(nowhere, smears, tmp_path)
    with pytest.raises(UserError, match="with --single_cells no cell is looked for"):
        predict(nowhere, smears, tmp_path / "o", single_cells=True, detector=nowhere)
    with pytest.raises(UserError, match="is a run's directory, which only the run writes into"):
        predict(nowhere, smears, finished_run)


def test_thin_pictures_are_predicted_or_named_and_stop_nothing(
    validated_run: Path, tmp_path: Path
) -> None:
    """Enlarged like others, the first would be too wide for a JPEG."""
    (tmp_path / "in").mkdir()
    for width, height in ((700, 3), (3, 700), (1, 1)):
        Image.new("RGB", (width, height), "pink").save(tmp_path / "in" / f"{width}x{height}.png")
    found = read(
        tmp_path / "out",
        predict(validated_run, tmp_path / "in", tmp_path / "out"),
    )
    assert found.content["num_images"] == 3


def test_a_window_of_whole_single_cells_is_refused(
    validated_run: Path, smears: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"window=50: the run in .* takes whole pictures"):
        predict(validated_run, smears, tmp_path, single_cells=True, window=50)


def test_images_too_small_to_explain_are_refused_before_any_is_predicted(
    validated_run: Path,
    smears: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wbc_jax.evaluation.attention.LEAST_SIDE", 99)
    with pytest.raises(UserError, match=r"--why: images of 16x16 pixels are too small"):
        predict(validated_run, smears, tmp_path / "o", why=True)
    assert not (tmp_path / "o").exists()


def test_pictures_that_cannot_be_read_leave_no_half_written_files(
    validated_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_bytes(b"nothing")
    for said in (
        r"can be read; name a picture",
        r"can be read; the first: x\.png .*; name a picture",
    ):
        with pytest.raises(UserError, match=said):
            predict(validated_run, tmp_path / "in", tmp_path / "o", single_cells=True)
        (tmp_path / "in" / "x.png").write_bytes(b"nothing")
        assert [path.name for path in (tmp_path / "o").iterdir()] == [".in_use"]


def test_marked_pictures_of_an_earlier_prediction_go_with_it(
    validated_run: Path, smears: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    predict(validated_run, smears / "second", output)
    assert len(list((output / "pictures").iterdir())) == 3
    (output / "pictures" / "mine.jpg").touch()
    predict(validated_run, smears / "a.jpeg", output, single_cells=True)
    assert [path.name for path in (output / "pictures").iterdir()] == ["mine.jpg"]


def test_pictures_in_formats_that_are_not_read_are_named(
    validated_run: Path, smears: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(smears / "a.jpeg", folder)
    for name in ("b.heic", "c.CZI", "d.jfif", "notes.txt", "Thumbs.db"):
        (folder / name).write_bytes(b"bytes that nothing here can read")
    said = predict(validated_run, folder, tmp_path / "out", single_cells=True)
    bad = read(tmp_path / "out", said).content["bad_files"]
    assert [entry["file"] for entry in bad] == ["b.heic", "c.CZI", "d.jfif"]


@pytest.mark.parametrize(
    ("view", "detector", "is_refused"),
    [
        ("whole", ClassicalDetector(), True),
        ("white_cell", ClassicalDetector(), True),
        ("white_cell", None, True),
        ("whole", None, False),
        ("white_cell", detect, False),
    ],
)
def test_gray_pictures_are_refused_where_cells_are_told_by_colour(
    view: str, detector: Detector | None, is_refused: bool, validated_run: Path, smears: Path
) -> None:
    classifier = load_classifier(validated_run)
    classifier = replace(classifier, settings=replace(classifier.settings, view=view))
    predictor = Predictor(classifier, detector)
    assert predictor.look((smears / "a.jpeg").read_bytes())
    assert predictor.look((smears / "empty_slide.png").read_bytes())
    gray = io.BytesIO()
    Image.open(smears / "a.jpeg").convert("L").save(gray, "PNG")
    if is_refused:
        with pytest.raises(UndecodableError, match="it is gray, but nuclei are told by their col"):
            predictor.look(gray.getvalue())
    else:
        assert predictor.look(gray.getvalue())
