"""Crops of single cells, which have few key points, are found all the same."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.leakage.smear_files import draw
from wbc_jax.leakage import fingerprints
from wbc_jax.leakage.audit import audit_folder
from wbc_jax.leakage.fingerprints import FEW_POINTS, MOST_POINTS, fingerprint
from wbc_jax.leakage.keypoints import EFFORTS, Effort, Keypoints, detect
from wbc_jax.leakage.picture_parts import Picture

SIDE = 96
NUM_CELLS = 12  # of which every other is on both sides


def crop(number: int, *, degrees: float = 0.0, side: int = SIDE) -> np.ndarray:
    """Returns a square around a drawn white cell, turned, at another size."""
    smear = draw(number)
    row, column = smear.white_center
    matrix = cv2.getRotationMatrix2D((float(column), float(row)), degrees, side / SIDE)
    matrix[:, 2] += [side / 2 - column, side / 2 - row]
    return cv2.warpAffine(
        smear.picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


@pytest.mark.parametrize("side", [32, 40])
def test_turned_crops_are_found_and_no_others_joined(side: int, tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
    for number in range(NUM_CELLS):
        Image.fromarray(crop(number, side=side)).save(tmp_path / "train" / f"{number}.png")
        if number % 2 == 0:
            turned = crop(number, degrees=20 + 5 * number, side=side)
            Image.fromarray(turned).save(tmp_path / "test" / f"{number}.jpg", quality=80)
    found = {
        (Path(pair.file_a).stem, Path(pair.file_b).stem) for pair in audit_folder(tmp_path).pairs
    }
    assert found == {(f"{number}", f"{number}") for number in range(0, NUM_CELLS, 2)}


def test_the_second_effort_is_made_only_where_there_are_few_points(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[int] = []

    def note(image: np.ndarray, *, contrast: float, enlarge: int) -> Keypoints:
        made.append(enlarge)
        return detect(image, contrast=contrast, enlarge=enlarge)

    monkeypatch.setattr(fingerprints, "detect", note)
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (200, 200, 3), np.uint8), (0, 0), 2)
    for picture, expected in ((texture, [1]), (crop(0, side=48), [1, 2])):
        made.clear()
        Image.fromarray(picture).save(tmp_path / "a.png")
        kept = fingerprint(Picture("a", "a.png"), (tmp_path / "a.png").read_bytes())
        assert made == expected
        assert len(kept.points) == len(kept.descriptors) <= MOST_POINTS
    assert len(detect(crop(0, side=48))) < FEW_POINTS <= len(detect(texture))
    assert EFFORTS[1] == Effort(EFFORTS[0].contrast / 4, 2)
