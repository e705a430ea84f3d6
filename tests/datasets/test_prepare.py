"""What preparing promises for every set, tried on a small made-up LISC."""

import errno
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.datasets.lisc_tree import write_lisc_tree
from wbc_jax.datasets import catalog, prepare, prepared_record
from wbc_jax.datasets.lisc import images
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import PreparedDataset
from wbc_jax.datasets.prepared_record import content_digest
from wbc_jax.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
VERSION = catalog.get("lisc").version


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lisc")
    write_lisc_tree(folder, per_class=1, mixt=1)
    return folder


@pytest.fixture(scope="module")
def prepared(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    return prepare.prepare("lisc", Places(data_dir, tmp_path_factory.mktemp("cache")))


def cache_of(prepared: PreparedDataset) -> Path:
    return prepared.path.parents[2]


def test_where_it_is_and_what_it_is(prepared: PreparedDataset) -> None:
    assert prepared.spec is catalog.get("lisc")
    assert prepared.path == cache_of(prepared) / "tfds" / "lisc" / VERSION
    assert {name: info.num_examples for name, info in prepared.splits.items()} == {
        "all": 5,
        "mixt": 1,
    }


def test_the_digest_is_what_its_definition_says(prepared: PreparedDataset) -> None:
    examples = list(prepare.read_split(prepared, "all"))
    lines = [f"{hashlib.sha256(e.image).hexdigest()}  {e.filename}\n" for e in examples]
    names = [e.filename for e in examples]
    text = "".join(line for _, line in sorted(zip(names, lines, strict=True)))
    assert prepared.splits["all"].digest == hashlib.sha256(text.encode()).hexdigest()


def test_the_digest_notices_content_and_name() -> None:
    digest = content_digest([("a", "1"), ("b", "2")])
    assert digest == content_digest([("b", "2"), ("a", "1")])
    assert digest != content_digest([("a", "2"), ("b", "1")])
    assert digest != content_digest([("a", "1"), ("c", "2")])


def test_examples_come_one_by_one_and_in_the_same_order(prepared: PreparedDataset) -> None:
    reading = prepare.read_split(prepared, "all")
    first = next(reading)
    assert [type(value) for value in first] == [bytes, int, str, str, str, bytes]
    names = [first.filename, *(example.filename for example in reading)]
    assert names == sorted(names)


@pytest.mark.parametrize("split", ["all", "mixt"])
def test_examples_are_what_tfds_reads(prepared: PreparedDataset, split: str) -> None:
    features = list(prepare.read_records(prepared, split))
    assert {"mask", "has_mask"} < features[0].keys()
    expected = [
        # A set that names no scenes has one for each smear.
        prepare.Example(f["image"], int(f["label"]), f["filename"], f["source"], f["source"])
        for f in features
    ]
    assert list(prepare.read_split(prepared, split)) == expected


def test_an_unknown_split_is_refused_before_reading(prepared: PreparedDataset) -> None:
    with pytest.raises(UserError, match="split 'test' is not in lisc; there are: all, mixt"):
        prepare.read_split(prepared, "test")


def test_an_unknown_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'lisk' is not known"):
        prepare.prepare("lisk", Places(None, tmp_path))


def test_the_second_time_needs_neither_images_nor_tfds(prepared: PreparedDataset) -> None:
    code = (
        "import sys, time; from pathlib import Path; from wbc_jax.datasets.places import Places;"
        "from wbc_jax.datasets.prepare import prepare;"
        "start = time.perf_counter();"
        f"found = prepare('lisc', Places(None, Path({str(cache_of(prepared))!r})));"
        "assert time.perf_counter() - start < 0.5;"
        "print(found.splits['all'].digest, *sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    digest, *modules = run.stdout.split()
    assert digest == prepared.splits["all"].digest
    assert not {"tensorflow_datasets", "tensorflow", "jax", "numpy"} & set(modules)


def test_nothing_is_printed_for_the_caller_to_trip_over(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare.prepare("lisc", Places(data_dir, tmp_path))
    assert capsys.readouterr().out == ""


def test_an_interrupted_build_counts_for_nothing(
    prepared: PreparedDataset, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def interrupted(*args: object) -> object:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(*args)  # type: ignore[arg-type]

    encode = images.encode_smear
    monkeypatch.setattr(images, "encode_smear", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare("lisc", Places(data_dir, tmp_path))
    assert not (tmp_path / "tfds" / "lisc" / VERSION).exists()
    again = prepare.prepare("lisc", Places(data_dir, tmp_path))
    assert again.splits == prepared.splits


def test_a_build_killed_before_its_record_is_done_again(
    prepared: PreparedDataset, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prepared_record, "content_digest", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare.prepare("lisc", Places(data_dir, tmp_path))
    path = tmp_path / "tfds" / "lisc" / VERSION
    assert path.is_dir()
    assert not (path / "prepared.json").exists()
    leftover = path.parent / f"incomplete.ABC123_{VERSION}"  # as SIGKILL leaves it
    leftover.mkdir()
    (leftover / "half").touch()
    again = prepare.prepare("lisc", Places(data_dir, tmp_path))
    assert again.splits == prepared.splits
    assert not leftover.exists()


@pytest.mark.parametrize("damage", ["records cut", "records gone", "record cut", "other version"])
def test_a_damaged_prepared_set_is_prepared_anew(
    prepared: PreparedDataset,
    data_dir: Path,
    tmp_path: Path,
    damage: str,
) -> None:
    path = tmp_path / prepared.path.relative_to(cache_of(prepared))
    shutil.copytree(prepared.path, path)
    assert prepare.prepare("lisc", Places(None, tmp_path)).splits == prepared.splits
    record = path / "prepared.json"
    stored = next(path.glob("*labelled*array_record*"))
    if damage == "records cut":
        stored.write_bytes(stored.read_bytes()[:-1])
    elif damage == "records gone":
        stored.unlink()
    elif damage == "record cut":
        record.write_text(record.read_text()[:100])
    else:
        record.write_text(json.dumps(json.loads(record.read_text()) | {"version": "0.0.1"}))
    with pytest.raises(UserError, match="images are not here"):  # and no images to prepare it from
        prepare.prepare("lisc", Places(None, tmp_path))
    again = prepare.prepare("lisc", Places(data_dir, tmp_path))
    assert again.splits == prepared.splits
    assert len(list(prepare.read_split(again, "all"))) == 5


def test_the_record_tells_counts_and_source(
    prepared: PreparedDataset, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = json.loads((prepared.path / "prepared.json").read_text())
    assert record["source"] == str(data_dir)
    assert record["splits"]["all"]["labels"] == dict.fromkeys(sorted(prepared.spec.classes), 1)
    assert record["splits"]["mixt"]["labels"] == {"none": 1}
    # A user who names a folder without the set is told which one the prepared set came from.
    with caplog.at_level("INFO"):
        prepare.prepare("lisc", Places(prepared.path, cache_of(prepared)))
    assert f"from {data_dir}" in caplog.text


def test_a_cache_whose_name_is_too_long_is_named(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be written \(File name too long\)"):
        prepare.prepare("lisc", Places(data_dir, tmp_path / ("x" * 300)))


def test_a_cache_that_cannot_be_written_is_named(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cache_dir: .*file.* cannot be written.*--cache_dir"):
        prepare.prepare("lisc", Places(data_dir, tmp_path / "file"))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Failed to finalize: write() failed: No space left on device"),
    ],
)
def test_a_full_disk_is_named(
    error: Exception, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What writes the records says it with an error of its own kind."""

    def full(*args: object) -> object:
        raise error

    monkeypatch.setattr(images, "encode_smear", full)
    with pytest.raises(UserError, match=r"no space left to prepare lisc.*--cache_dir"):
        prepare.prepare("lisc", Places(data_dir, tmp_path))


def test_a_user_error_within_the_builder_arrives_as_it_was(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> object:
        raise UserError("one message")

    monkeypatch.setattr(images, "encode_smear", refuse)
    with pytest.raises(UserError, match=r"^one message$"):
        prepare.prepare("lisc", Places(data_dir, tmp_path))


def test_a_builder_that_disagrees_with_the_catalogue_is_our_fault(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(catalog.get("lisc"), version="9.9.9")
    monkeypatch.setitem(catalog.DATASETS, "lisc", spec)
    with pytest.raises(RuntimeError, match=rf"{re.escape(VERSION)}; by the catalogue.*9\.9\.9"):
        prepare.prepare("lisc", Places(data_dir, tmp_path))


def test_two_processes_build_it_once(
    prepared: PreparedDataset, data_dir: Path, tmp_path: Path
) -> None:
    code = (
        "import logging; logging.basicConfig(level='INFO'); from pathlib import Path;"
        "from wbc_jax.datasets.places import Places;"
        "from wbc_jax.datasets.prepare import prepare;"
        f"places = Places(Path({str(data_dir)!r}), Path({str(tmp_path)!r}));"
        "print(prepare('lisc', places).splits['all'].digest)"
    )
    command = [sys.executable, "-c", code]
    runs = [
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [run.communicate(timeout=120) for run in runs]
    assert [out.strip() for out, _ in answers] == [prepared.splits["all"].digest] * 2
    assert sum("preparing lisc in" in log for _, log in answers) == 1
