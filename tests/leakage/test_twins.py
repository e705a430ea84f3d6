"""However many twins a picture has, none that is near is left out without a word."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.leakage.smear_files import copy_of, draw
from wbc_jax.leakage import twins
from wbc_jax.leakage.audit import audit_folder
from wbc_jax.leakage.comparison import look_at
from wbc_jax.leakage.fingerprints import Fingerprint, fingerprint
from wbc_jax.leakage.picture_parts import Picture
from wbc_jax.leakage.shortlist import MOST_CANDIDATES, DescriptorIndex
from wbc_jax.leakage.twins import TwinGallery
from wbc_jax.reporting.audit_findings import Findings

NUM_ALIKE = 14  # recompressed, near by hash
NUM_TURNED = 12  # turned, found by key points alone
MORE = "1 picture has a twin in every candidate compared: there may be more than are listed."


def audit(folder: Path, train: dict[str, Image.Image]) -> Findings:
    """Compares one drawn smear in `test` with pictures in `train`."""
    for part in ("test", "train"):
        (folder / part).mkdir()
    Image.fromarray(draw(0).picture).save(folder / "test" / "whole.png")
    for number in range(1, 4):  # so that `train` is the larger part all the same
        (folder / "test" / f"{number}.jpeg").write_bytes(copy_of(number, 0))
    for name, image in train.items():
        image.save(folder / "train" / name)
    return audit_folder(folder)


def alike() -> dict[str, Image.Image]:
    image = Image.fromarray(draw(0).picture)
    images = {}
    for number in range(NUM_ALIKE):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=60 + 2 * number)
        images[f"alike{number}.png"] = Image.open(buffer)
    return images


def turned() -> dict[str, Image.Image]:
    image = Image.fromarray(draw(0).picture)
    angles = np.linspace(20, 340, NUM_TURNED)
    return {f"turned{n}.png": image.rotate(angle) for n, angle in enumerate(angles)}


def test_all_that_are_near_by_hash_are_named(tmp_path: Path) -> None:
    findings = audit(tmp_path, alike())
    assert {pair.file_b for pair in findings.pairs if pair.how == "hash"} == alike().keys()
    assert findings.notes == []


def test_those_take_no_place_of_the_candidates_by_key_points(tmp_path: Path) -> None:
    findings = audit(tmp_path, alike() | turned())
    by_how = findings.counts_by_how
    assert (by_how["hash"], by_how["keypoints"]) == (NUM_ALIKE, MOST_CANDIDATES)
    assert findings.notes == [MORE]


def test_with_fewer_twins_than_candidates_nothing_is_said(tmp_path: Path) -> None:
    few = dict(list(turned().items())[: MOST_CANDIDATES - 1])
    findings = audit(tmp_path, few)
    assert {pair.file_b for pair in findings.pairs} == few.keys()
    assert findings.notes == []


def print_of(part: str, picture: np.ndarray) -> Fingerprint:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return fingerprint(Picture(part, "a.png"), buffer.getvalue())


@pytest.mark.parametrize(("num_points", "num_pairs"), [(9, 0), (14, 1)])
def test_few_key_points_make_no_pair(num_points: int, num_pairs: int) -> None:
    """Nine points of a picture lie in it where they should, and that is not enough."""
    whole = print_of("train", draw(0).picture)
    _, first = np.unique(whole.points, axis=0, return_index=True)
    chosen = first[:: len(first) // num_points][:num_points]
    few = replace(
        print_of("test", draw(0).picture),
        file_digest=b"another",
        pixel_digest=b"another",
        hashes=~whole.hashes,
        points=whole.points[chosen],
        descriptors=whole.descriptors[chosen],
    )
    gallery = TwinGallery([whole], lambda picture: look_at(draw(0).picture))
    assert len(gallery.twins([few])) == num_pairs


def test_a_mirror_image_votes_for_its_original_among_many() -> None:
    pictures = [print_of("train", draw(number).picture).descriptors for number in range(12)]
    index = DescriptorIndex(pictures)
    for number in range(12):
        mirrored = print_of("test", np.ascontiguousarray(draw(number).picture[:, ::-1]))
        (ranked,) = index.candidates([mirrored.descriptors])
        assert ranked[0] == number


def test_a_ceiling_by_hash_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(twins, "MOST_NEAR", 3)
    findings = audit(tmp_path, alike())
    assert findings.counts_by_how["hash"] == 3
    assert findings.notes == [MORE]
