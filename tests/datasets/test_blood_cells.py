"""The blood cell images: found in every layout, checked file by file, kept byte for byte.

Most tests use a small made-up set with a reference of its own; the last ones the real images.
"""

import functools
import hashlib
import http.server
import io
import shutil
import socket
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wbc_jax.datasets import catalog
from wbc_jax.datasets.blood_cells import archive, reference, source, sources
from wbc_jax.datasets.blood_cells.reference import Reference
from wbc_jax.datasets.places import Places
from wbc_jax.datasets.prepare import PreparedDataset, prepare, read_split
from wbc_jax.datasets.prepared_record import content_digest
from wbc_jax.errors import UserError

CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")
COMMIT = "0b22eb2084b1004d464fb5ab87adc85ab94b2079"
LAYOUTS = (
    "blood_cells/images",
    "images",
    "dataset2-master/dataset2-master/images",
    "dataset2-master/images",
    f"wbc-classification-{COMMIT}/images",
    "",
)


def made_up_files() -> dict[str, bytes]:
    """Path below `images` -> a small JPEG; two a class in every split."""
    rng = np.random.default_rng(7)
    files = {}
    for split in ("TRAIN", "TEST", "TEST_SIMPLE"):
        for folder in CLASSES:
            for number in range(2):
                buffer = io.BytesIO()
                pixels = rng.integers(0, 256, (24, 32, 3), np.uint8)
                Image.fromarray(pixels).save(buffer, format="JPEG", quality=91)
                files[f"{split}/{folder}/_{number}_{number + 7}.jpeg"] = buffer.getvalue()
    return files


FILES = made_up_files()


def reference_of(files: dict[str, bytes]) -> Reference:
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    return Reference(
        files={path: sha256[:16] for path, sha256 in hashes.items()},
        digests={
            split: content_digest(
                (f"images/{p}", h) for p, h in hashes.items() if p.startswith(f"{split}/")
            )
            for split in ("TRAIN", "TEST", "TEST_SIMPLE")
        },
    )


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Reference:
    """Lets the made-up set count as the published one."""
    made = reference_of(FILES)
    monkeypatch.setattr(reference, "load_reference", lambda: made)
    return made


def write_folder(images: Path, files: dict[str, bytes] = FILES) -> Path:
    for path, data in files.items():
        (images / path).parent.mkdir(parents=True, exist_ok=True)
        (images / path).write_bytes(data)
    return images


def write_zip(file: Path, layout: str, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for path, data in files.items():
            opened.writestr(f"{layout}/{path}".lstrip("/"), data)
    return file


def verified(place: Path) -> dict[str, tuple[str, ...]]:
    tree = source.find(place)
    assert tree is not None
    present, _ = reference.verify(tree, reference.load_reference())
    return present


def refusal(place: Path) -> str:
    with pytest.raises(UserError) as caught:
        verified(place)
    return str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_as_a_folder(tmp_path: Path, made_up: Reference, layout: str) -> None:
    write_folder(tmp_path / layout)
    present = verified(tmp_path)
    assert sorted(path for paths in present.values() for path in paths) == sorted(FILES)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("named", ["the zip", "its folder"])
def test_every_layout_is_found_in_a_zip(
    tmp_path: Path, made_up: Reference, layout: str, named: str
) -> None:
    file = write_zip(tmp_path / "archive.zip", layout)
    assert len(verified(file if named == "the zip" else tmp_path)["TEST"]) == 8


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_images_are_kept_byte_for_byte(tmp_path: Path, made_up: Reference, form: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if form == "folder":
        write_folder(data / "images")
    else:
        write_zip(data / "archive.zip", "dataset2-master/dataset2-master/images")
    before = sorted(data.rglob("*"))
    prepared = prepare("blood_cells", Places(data, tmp_path / "cache"))
    assert list(prepared.splits) == ["TRAIN", "TEST", "TEST_SIMPLE"]
    examples = [e for split in prepared.splits for e in read_split(prepared, split)]
    assert {e.filename: e.image for e in examples} == FILES
    for example in examples:
        folder = example.filename.split("/")[1]
        assert prepared.spec.classes[example.label] == folder.lower()
    assert sorted(data.rglob("*")) == before


def test_examples_carry_smear_and_scene_of_their_file(
    tmp_path: Path, made_up: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "smear_of", lambda file: f"smear of {file}")
    monkeypatch.setattr(sources, "scene_of", lambda file: f"scene of {file}")
    write_folder(tmp_path / "images")
    prepared = prepare("blood_cells", Places(tmp_path, tmp_path / "cache"))
    for example in read_split(prepared, "TEST"):
        assert example.source == f"smear of {example.filename}"
        assert example.scene == f"scene of {example.filename}"


def test_the_builder_alone_reads_tfds_manual_directory(tmp_path: Path, made_up: Reference) -> None:
    import tensorflow_datasets as tfds

    from wbc_jax.datasets.blood_cells.blood_cells_dataset_builder import Builder

    def build(manual_dir: Path) -> tfds.core.GeneratorBasedBuilder:
        builder = Builder(data_dir=tmp_path / "tfds")
        builder.download_and_prepare(
            file_format="array_record",
            download_config=tfds.download.DownloadConfig(manual_dir=manual_dir),
        )
        return builder

    write_zip(tmp_path / "archive.zip", "images")
    with pytest.raises(UserError, match=r"blood_cells: no such set in .*tests"):
        build(Path(__file__).parent)
    builder = build(tmp_path)
    assert builder.info.splits["TEST"].num_examples == 8
    assert "Mooney" in builder.info.citation
    assert "random split leaks" in builder.info.description


def test_what_lies_beside_is_ignored(tmp_path: Path, made_up: Reference) -> None:
    images = write_folder(tmp_path / "images")
    (tmp_path / "labels.csv").touch()
    (tmp_path / "Original_Images").mkdir()
    (images / "VALIDATION" / "EOSINOPHIL").mkdir(parents=True)
    (images / "VALIDATION" / "EOSINOPHIL" / "_0_1.jpeg").touch()
    (images / "notes.txt").touch()
    for junk in (".DS_Store", "Thumbs.db", "._0_7.jpeg"):
        (images / "TEST" / "MONOCYTE" / junk).touch()
    write_folder(images / "TEST" / "__MACOSX", {"MONOCYTE/_0_7.jpeg": b""})
    assert len(verified(tmp_path)["TEST"]) == 8


def test_a_folder_comes_before_a_zip(tmp_path: Path, made_up: Reference) -> None:
    write_zip(tmp_path / "a.zip", "images", {"TEST/MONOCYTE/other.jpeg": b"other"})
    write_folder(tmp_path / "images")
    assert len(verified(tmp_path)["TRAIN"]) == 8


def test_missing_foreign_and_damaged_files_are_named_in_one_message(
    tmp_path: Path, made_up: Reference
) -> None:
    images = write_folder(tmp_path / "images")
    for number in range(2):
        (images / "TRAIN" / "LYMPHOCYTE" / f"_{number}_{number + 7}.jpeg").unlink()
    cut = images / "TEST" / "MONOCYTE" / "_0_7.jpeg"
    cut.write_bytes(cut.read_bytes()[:-1])
    (images / "TEST" / "MONOCYTE" / "copy of _0_7.jpeg").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        prepare("blood_cells", Places(tmp_path, tmp_path / "cache"))
    message = str(caught.value)
    assert "2 missing: TRAIN/LYMPHOCYTE/_0_7.jpeg, TRAIN/LYMPHOCYTE/_1_8.jpeg" in message
    assert "1 not of this set: TEST/MONOCYTE/copy of _0_7.jpeg" in message
    assert "1 damaged or of other content: TEST/MONOCYTE/_0_7.jpeg" in message
    assert "set of 24 files" in message
    assert "fetch a fresh copy" in message
    version = catalog.get("blood_cells").version
    assert not (tmp_path / "cache" / "tfds" / "blood_cells" / version).exists()


def test_a_split_that_is_not_there_is_missing_files(tmp_path: Path, made_up: Reference) -> None:
    images = write_folder(tmp_path / "images")
    shutil.rmtree(images / "TEST")
    assert "8 missing: TEST/EOSINOPHIL/_0_7.jpeg" in refusal(tmp_path)
    shutil.rmtree(images / "TRAIN")
    assert "16 missing: TEST/EOSINOPHIL/_0_7.jpeg" in refusal(tmp_path)
    assert "and 6 more" in refusal(tmp_path)


def test_swapped_files_are_damaged_though_nothing_is_missing(
    tmp_path: Path, made_up: Reference
) -> None:
    swapped = dict(FILES)
    one, other = "TEST/MONOCYTE/_0_7.jpeg", "TEST/NEUTROPHIL/_0_7.jpeg"
    swapped[one], swapped[other] = swapped[other], swapped[one]
    write_folder(tmp_path / "images", swapped)
    assert f"2 damaged or of other content: {one}, {other}" in refusal(tmp_path)


def test_a_damaged_member_of_a_zip_is_named(tmp_path: Path, made_up: Reference) -> None:
    file = write_zip(tmp_path / "archive.zip", "images")
    data = bytearray(file.read_bytes())
    data[data.index(b"images/TEST/MONOCYTE/_0_7.jpeg") + 60] ^= 0xFF
    file.write_bytes(data)
    assert "1 damaged or of other content: TEST/MONOCYTE/_0_7.jpeg" in refusal(file)


def test_the_content_digest_is_checked_over_the_list(tmp_path: Path, made_up: Reference) -> None:
    tree = source.find(write_folder(tmp_path / "images"))
    assert tree is not None
    wrong = Reference(files=made_up.files, digests=dict(made_up.digests, TEST="0" * 64))
    with pytest.raises(UserError, match=r"TEST in .* has content digest [0-9a-f]{64}, the publ"):
        reference.verify(tree, wrong)


def test_a_folder_of_other_images_is_no_such_set(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"cat{number}.jpg").touch()
    with pytest.raises(UserError) as caught:
        prepare("blood_cells", Places(tmp_path, tmp_path / "cache"))
    message = str(caught.value)
    assert "the images are not here" in message
    assert "cat0.jpg" in message
    assert "more" in message
    for layout in ("dataset2-master/dataset2-master/images", "data_dir itself"):
        assert layout in message


def test_no_place_named_tells_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        prepare("blood_cells", Places(None, tmp_path))
    for words in (
        "no --data_dir and no WBC_DATA_DIR",
        "paultimothymooney/blood-cells",
        "dataset2-master",
        "github.com/dhruvp/wbc-classification",
        COMMIT,
        "--download",
        "python launch.py --config=configs/alexnet.py",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize("download", [False, True])
def test_a_place_that_does_not_exist_is_named(tmp_path: Path, download: bool) -> None:
    with pytest.raises(UserError, match=r"data_dir=.*/gone does not exist"):
        prepare("blood_cells", Places(tmp_path / "gone", tmp_path, download=download))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server on this machine, and the folder it serves."""
    served = tmp_path / "served"
    served.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output clean."""

    handler = functools.partial(Handler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", served
        running.shutdown()


def test_a_set_found_nowhere_is_fetched_once(
    tmp_path: Path,
    made_up: Reference,
    server: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, served = server
    write_zip(served / "set.zip", f"wbc-classification-{COMMIT}/images")
    monkeypatch.setattr(archive, "URL", f"{address}/set.zip")
    cache = tmp_path / "cache"
    prepared = prepare("blood_cells", Places(None, cache, download=True))
    assert prepared.splits["TEST"].num_examples == 8
    assert [p.name for p in (cache / "downloads").iterdir()] == [f"wbc-classification-{COMMIT}.zip"]
    # What was fetched is found again, without --download and without the network.
    shutil.rmtree(prepared.path)
    (served / "set.zip").unlink()
    again = prepare("blood_cells", Places(None, cache))
    assert again.splits == prepared.splits


def test_a_copy_that_is_there_is_not_fetched(
    tmp_path: Path, made_up: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "URL", (tmp_path / "nothing.zip").as_uri())
    place = write_folder(tmp_path / "images")
    assert source.locate(place, cache_dir=tmp_path, download=True) == place


@pytest.mark.parametrize("fault", ["no server", "no such file", "half of it", "a web page"])
def test_a_fetch_that_fails_leaves_nothing_and_says_how_to_do_it_by_hand(
    tmp_path: Path, server: tuple[str, Path], fault: str
) -> None:
    address, served = server
    url = f"{address}/set.zip"
    whole = write_zip(tmp_path / "set.zip", "images").read_bytes()
    if fault == "no server":
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/set.zip"
    elif fault == "half of it":
        (served / "set.zip").write_bytes(whole[: len(whole) // 2])
    elif fault == "a web page":
        (served / "set.zip").write_text("<html>sign in first</html>")
    with pytest.raises(UserError) as caught:
        archive.fetch(url, tmp_path / "downloads" / "set.zip", timeout=5)
    reason = {
        "no server": "refused",
        "no such file": "HTTP Error 404",
        "half of it": "not a whole zip",
        "a web page": "not a whole zip",
    }[fault]
    assert reason in str(caught.value)
    assert f"fetching {url} failed" in str(caught.value)
    assert "--data_dir=PATH/TO/set.zip" in str(caught.value)
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/set.zip"
        with pytest.raises(UserError, match="timed out"):
            archive.fetch(url, tmp_path / "set.zip", timeout=0.2)


def test_files_can_be_fetched_from_a_mirror_on_disk(tmp_path: Path) -> None:
    origin = write_zip(tmp_path / "set.zip", "images")
    target = archive.fetch(origin.as_uri(), tmp_path / "downloads" / "set.zip")
    assert target.read_bytes() == origin.read_bytes()


def test_the_list_of_files_is_the_published_set() -> None:
    published = reference.load_reference()
    counts = Counter(tuple(path.split("/")[:2]) for path in published.files)
    expected = {
        "TRAIN": (2497, 2483, 2478, 2499),
        "TEST": (623, 620, 620, 624),
        "TEST_SIMPLE": (13, 6, 4, 48),
    }
    assert counts == {
        (split, folder): count
        for split, numbers in expected.items()
        for folder, count in zip(CLASSES, numbers, strict=True)
    }
    assert {len(prefix) for prefix in published.files.values()} == {reference.PREFIX_DIGITS}
    assert list(published.digests) == list(expected)


@pytest.fixture(scope="module")
def real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """The real set, prepared once for all tests."""
    return prepare("blood_cells", Places(real_data, tmp_path_factory.mktemp("real")))


def test_the_real_images_come_back_byte_for_byte(real: PreparedDataset, real_data: Path) -> None:
    for split, published in reference.CONTENT_DIGESTS.items():
        hashes = []
        for e in read_split(real, split):
            hashes.append((f"images/{e.filename}", hashlib.sha256(e.image).hexdigest()))
            assert e.source == sources.smear_of(e.filename)
            assert e.scene == sources.scene_of(e.filename)
        assert content_digest(hashes) == published
        assert real.splits[split].num_examples == len(hashes)
    example = next(read_split(real, "TEST"))
    file = real_data / "blood_cells" / "images" / example.filename
    assert example.image == file.read_bytes()
    with Image.open(io.BytesIO(example.image)) as image:
        assert (image.size, image.mode) == ((320, 240), "RGB")


def test_one_cut_file_among_the_real_images_is_named(real_data: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    published = real_data / "blood_cells" / "images"
    for split in ("TRAIN", "TEST"):
        (images / split).symlink_to(published / split)
    shutil.copytree(published / "TEST_SIMPLE", images / "TEST_SIMPLE")
    cut = sorted((images / "TEST_SIMPLE" / "MONOCYTE").iterdir())[0]
    data = cut.read_bytes()
    cut.unlink()  # the copy may have kept that its original is only to be read
    cut.write_bytes(data[: len(data) // 2])
    message = refusal(tmp_path)
    assert f"1 damaged or of other content: TEST_SIMPLE/MONOCYTE/{cut.name}\n" in message
    assert "missing" not in message
