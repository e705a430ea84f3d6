"""Every kind of file through every entrance: read right, or named; and left out where asked for."""

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.datasets.bad_images import (
    KINDS,
    READABLE,
    REFUSED,
    RGB,
    Kind,
    assert_right,
    by_name,
    encoded,
)
from tests.datasets.lisc_tree import write_lisc_tree
from tests.datasets.test_blood_cells import FILES, reference_of, write_folder
from wbc_jax.data.preprocessing import Settings, preprocess
from wbc_jax.datasets import bad_images
from wbc_jax.datasets.blood_cells import reference
from wbc_jax.datasets.decoding import UndecodableError
from wbc_jax.datasets.image_tree import FolderTree, ImageTree, ZipTree
from wbc_jax.datasets.lisc import images, source
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import PreparedDataset, prepare, read_records, read_split
from wbc_jax.errors import UserError
from wbc_jax.leakage import audit
from wbc_jax.leakage.fingerprints import Fingerprint, take_fingerprints
from wbc_jax.leakage.picture_parts import Picture, open_parts

EOSINOPHILS = Path("Main Dataset", "eosi")


def file_of(kind: Kind) -> str:
    """The name a kind has in a folder; whatever is in it, it is called a BMP."""
    return f"{by_name(kind)}.bmp"


def write_kinds(folder: Path, kinds: Iterable[Kind]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        kind.write(folder / file_of(kind))


def zipped(folder: Path, archive: Path) -> Path:
    """Stores the plain files below a folder under its name."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                opened.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
    return archive


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LISC with every kind of file among its eosinophils, and none of them with a mask."""
    root = write_lisc_tree(tmp_path_factory.mktemp("odd"), per_class=1, mixt=0)
    write_kinds(root / EOSINOPHILS, KINDS)
    return root


@pytest.fixture(scope="module", params=["folder", "zip"])
def skipped(
    request: pytest.FixtureRequest, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PreparedDataset, dict[str, bytes], list[Kind]]:
    """What is prepared of it with `skip`, its images by name, and the kinds that were in it."""
    place, kinds = database, list(KINDS)
    if request.param == "zip":
        place = zipped(database, tmp_path_factory.mktemp("zip") / "LISC.zip")
        kinds = [kind for kind in KINDS if kind.content is not None]
    cache = tmp_path_factory.mktemp("cache")
    prepared = prepare("lisc", Places(place, cache, on_bad_image="skip"))
    return prepared, {e.filename: e.image for e in read_split(prepared, "all")}, kinds


def test_lisc_keeps_what_can_be_read_with_the_right_pixels(
    skipped: tuple[PreparedDataset, dict[str, bytes], list[Kind]],
) -> None:
    _, stored, kinds = skipped
    readable = [kind for kind in kinds if kind.pixels is not None]
    assert len(readable) >= 20
    for kind in readable:
        content = stored.pop(f"eosi/{file_of(kind)}")
        assert_right(np.asarray(Image.open(io.BytesIO(content))), kind)
    assert len(stored) == 5  # the drawings; nothing that was refused


def test_lisc_names_what_it_leaves_out_and_why(
    skipped: tuple[PreparedDataset, dict[str, bytes], list[Kind]],
) -> None:
    prepared, _, kinds = skipped
    reasons = dict(prepared.left_out)
    for kind in kinds:
        if kind.pixels is None:
            assert re.search(kind.reason, reasons.pop(f"{EOSINOPHILS}/{file_of(kind)}"))
    assert reasons == {}
    record = json.loads((prepared.path / "prepared.json").read_text(encoding="utf-8"))
    assert record["left_out"] == [bad._asdict() for bad in prepared.left_out]


@pytest.mark.parametrize("kind", REFUSED, ids=by_name)
def test_lisc_refuses_a_set_with_one_bad_file(kind: Kind, tmp_path: Path) -> None:
    write_kinds(tmp_path / EOSINOPHILS, [kind])
    write_kinds(tmp_path / EOSINOPHILS, READABLE[:1])
    tree = FolderTree(tmp_path)
    path = f"{EOSINOPHILS}/{file_of(kind)}"
    smears = [source.Smear(file_of(kind), 0, path, None)]
    with pytest.raises(UserError, match=rf"1 of the files .*{re.escape(path)} \(.*({kind.reason})"):
        images.check(tree, smears)


def test_many_bad_files_are_one_message(database: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        prepare("lisc", Places(database, tmp_path))
    message = str(caught.value)
    assert f"{len(REFUSED)} of the files" in message
    assert f"and {len(REFUSED) - bad_images.MOST_NAMED} more" in message
    assert "--on_bad_image=skip" in message
    assert not list((tmp_path / "tfds" / "lisc").glob("[0-9]*"))


def test_a_set_prepared_with_skip_is_refused_to_a_run_that_does_not_say_so(
    skipped: tuple[PreparedDataset, dict[str, bytes], list[Kind]],
) -> None:
    prepared, _, _ = skipped
    cache = prepared.path.parents[2]
    with pytest.raises(UserError) as caught:
        prepare("lisc", Places(None, cache))
    message = str(caught.value)
    assert str(prepared.path) in message
    assert f"without some bad files, {len(prepared.left_out)} in all: {EOSINOPHILS}/" in message
    assert "--on_bad_image=skip" in message
    again = prepare("lisc", Places(None, cache, on_bad_image="skip"))
    assert again == prepared


def test_another_word_than_error_or_skip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"on_bad_image='ignore' must be one of error, skip"):
        prepare("lisc", Places(None, tmp_path, on_bad_image="ignore"))


def check_lisc(root: Path) -> tuple[list[source.Smear], list[bad_images.BadFile]]:
    tree = source.find(root)
    assert tree is not None
    return images.check(tree, source.list_smears(tree), on_bad_image="skip")


def test_of_an_image_with_a_bad_mask_only_the_mask_is_left_out(tmp_path: Path) -> None:
    root = write_lisc_tree(tmp_path / os.fsdecode(b"caf\xe9"), per_class=1, mixt=0)
    drawings = Path("Ground Truth Segmentation", "neut", "areaforexpert1", "1_expert.bmp")
    Image.new("L", (72, 57)).save(root / drawings)
    with pytest.raises(UserError, match=r"1_expert\.bmp \(the mask is 72x57"):
        prepare("lisc", Places(root, tmp_path / "cache"))
    prepared = prepare("lisc", Places(root, tmp_path / "cache", on_bad_image="skip"))
    reason = "the mask is 72x57, its image 720x576 pixels"
    assert prepared.left_out == (bad_images.BadFile(str(drawings), reason),)
    records = {r["filename"]: bool(r["has_mask"]) for r in read_records(prepared, "all")}
    assert len(records) == 5
    assert [name for name, has_mask in records.items() if not has_mask] == ["neut/1.bmp"]


def test_odd_names_are_left_out_and_can_be_printed(tmp_path: Path) -> None:
    root = write_lisc_tree(tmp_path, per_class=1, mixt=0)
    folder = root / EOSINOPHILS
    (folder / os.fsdecode(b"caf\xe9.bmp")).write_bytes(encoded(RGB, "BMP"))
    (folder / "two\nlines.bmp").write_bytes(encoded(RGB, "BMP"))
    (folder / "1.BMP").write_bytes(encoded(RGB, "BMP"))
    (folder / "folder.bmp").mkdir()
    (folder / "café.bmp").write_bytes(encoded(RGB, "BMP"))  # no odd name
    usable, bad = check_lisc(root)
    assert {Path(file).name: reason for file, reason in bad} == {
        "caf\\udce9.bmp": "its name is no plain UTF-8 text",
        "two\\nlines.bmp": "its name is no plain UTF-8 text",
        "1.BMP": "another file's name differs in case only",
        "1.bmp": "another file's name differs in case only",
        "folder.bmp": "is a folder",
    }
    assert [s.filename for s in usable if s.filename.startswith("eosi")] == ["eosi/café.bmp"]


def test_nothing_is_prepared_where_nothing_can_be_used(tmp_path: Path) -> None:
    root = write_lisc_tree(tmp_path, per_class=1, mixt=0)
    for image in (root / "Main Dataset").rglob("*.bmp"):
        image.write_bytes(b"")
    with pytest.raises(UserError, match="5 of the files"):
        prepare("lisc", Places(root, tmp_path / "cache", on_bad_image="skip"))


@pytest.mark.parametrize("kind", KINDS, ids=by_name)
def test_blood_cells_takes_nothing_but_the_published_bytes(kind: Kind, tmp_path: Path) -> None:
    path = "TEST/MONOCYTE/_0_7.jpeg"
    write_folder(tmp_path)
    (tmp_path / path).unlink()
    kind.write(tmp_path / path)
    tree, table = FolderTree(tmp_path), reference_of(FILES)
    with pytest.raises(UserError, match=rf"1 damaged or of other content: {path}"):
        reference.verify(tree, table)
    present, bad = reference.verify(tree, table, on_bad_image="skip")
    assert bad == [(path, "damaged or of other content")]
    assert {p for paths in present.values() for p in paths} == set(FILES) - {path}


def test_blood_cells_leaves_out_and_keeps_the_rest_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = reference_of(FILES)
    monkeypatch.setattr(reference, "load_reference", lambda: table)
    folder = write_folder(tmp_path / "images")
    (folder / "TEST" / "MONOCYTE" / "_0_7.jpeg").write_bytes(b"")
    (folder / "TRAIN" / "MONOCYTE" / "_0_7.jpeg").unlink()
    (folder / "TRAIN" / "MONOCYTE" / os.fsdecode(b"\xff.jpeg")).write_bytes(encoded(RGB))
    cache = tmp_path / "cache"
    prepared = prepare("blood_cells", Places(tmp_path, cache, on_bad_image="skip"))
    assert set(prepared.left_out) == {
        ("TRAIN/MONOCYTE/_0_7.jpeg", "missing"),
        ("TEST/MONOCYTE/_0_7.jpeg", "damaged or of other content"),
        ("TRAIN/MONOCYTE/\\udcff.jpeg", "not of this set"),
    }
    kept = {e.filename: e.image for split in prepared.splits for e in read_split(prepared, split)}
    left_out = {file for file, _ in prepared.left_out}
    assert kept == {file: data for file, data in FILES.items() if file not in left_out}


@pytest.fixture(scope="module")
def division(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts for the audit: every kind of file, and one picture."""
    folder = tmp_path_factory.mktemp("parts") / "division"
    write_kinds(folder / "train", KINDS)
    write_kinds(folder / "test", READABLE[:1])
    return folder


@pytest.fixture(scope="module", params=["folder", "zip"])
def looked_at(
    request: pytest.FixtureRequest, division: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Fingerprint], dict[Picture, str], list[Kind]]:
    """What the audit sees in it."""
    place, kinds = division, list(KINDS)
    if request.param == "zip":
        place = zipped(division, tmp_path_factory.mktemp("zip") / "set.zip") / "division"
        kinds = [kind for kind in KINDS if kind.content is not None]
    parts = open_parts(place, ())
    pictures = [Picture("train", file) for file in parts.files["train"]]
    return *take_fingerprints(pictures, parts.read), kinds


def test_the_audit_sees_the_right_pixels(
    looked_at: tuple[list[Fingerprint], dict[Picture, str], list[Kind]],
) -> None:
    seen, _, kinds = looked_at
    digests = {one.picture.file: one.pixel_digest for one in seen}
    exact = [kind for kind in kinds if kind.pixels is not None and not kind.within]
    assert len(exact) >= 15
    for kind in exact:
        assert kind.pixels is not None
        layout = repr(kind.pixels.shape).encode()
        pixels = np.ascontiguousarray(kind.pixels, np.uint8).tobytes()
        assert digests[file_of(kind)] == hashlib.sha256(layout + pixels).digest(), kind.name
    assert len(digests) == sum(kind.pixels is not None for kind in kinds)


def test_the_audit_names_what_it_cannot_read(
    looked_at: tuple[list[Fingerprint], dict[Picture, str], list[Kind]],
) -> None:
    _, unreadable, kinds = looked_at
    reasons = {picture.file: reason for picture, reason in unreadable.items()}
    for kind in kinds:
        if kind.pixels is None:
            assert re.search(kind.reason, reasons.pop(file_of(kind))), kind.name
    assert reasons == {}


@pytest.mark.parametrize("kind", REFUSED, ids=by_name)
def test_the_audit_refuses_or_lists_one_bad_file(kind: Kind, tmp_path: Path) -> None:
    write_kinds(tmp_path / "train", [kind, READABLE[0]])
    write_kinds(tmp_path / "test", READABLE[:1])
    file = f"train/{file_of(kind)}"
    with pytest.raises(UserError, match=rf"1 of its pictures .*{file} \(.*({kind.reason})"):
        audit.audit_folder(tmp_path)
    findings = audit.audit_folder(tmp_path, on_bad_image="skip")
    assert [name for name, _ in findings.unreadable] == [file]
    assert [pair.how for pair in findings.pairs] == ["bytes"]


@pytest.mark.parametrize("kind", [k for k in KINDS if k.content is not None], ids=by_name)
def test_preprocessing_sees_the_right_pixels(kind: Kind) -> None:
    assert kind.content is not None
    settings = Settings(first_size=0, image_size=9, gray=False)
    if kind.pixels is None:
        with pytest.raises(UndecodableError, match=kind.reason):
            preprocess(kind.content, settings)
        return
    expected = Image.fromarray(np.ascontiguousarray(kind.pixels, np.uint8))
    expected = expected.resize((9, 9), Image.Resampling.BICUBIC)
    got = preprocess(kind.content, settings).astype(int)
    assert np.abs(got - np.asarray(expected)).max() <= 2 * kind.within


@pytest.mark.parametrize("tree", ["folder", "zip"])
def test_a_file_that_is_too_large_is_not_read(
    tree: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wbc_jax.datasets import archive_members, image_tree

    monkeypatch.setattr(archive_members, "MOST_BYTES", 1000)
    monkeypatch.setattr(image_tree, "MOST_BYTES", 1000)
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "1.bmp").write_bytes(bytes(1001))
    opened: ImageTree = FolderTree(folder)
    if tree == "zip":
        opened = ZipTree(zipped(folder, tmp_path / "set.zip")).below("set")
    with pytest.raises(UserError, match=r"1\.bmp .*1,001 bytes"):
        opened.read("1.bmp")
