"""The folder of a report is made, or refused before anything is computed."""

import os
from pathlib import Path

import pytest

from wbc_jax.errors import UserError
from wbc_jax.reporting.output_folder import alone_in, make_output_folder, require_apart


def test_a_missing_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    make_output_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file; name a folder"):
        make_output_folder(tmp_path / "file")


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        make_output_folder(tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be written"):
            make_output_folder(tmp_path)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("left", [("config.json", ".lock"), ("results.json",), ("metrics.jsonl",)])
def test_a_runs_directory_is_refused_be_it_in_its_first_epoch(
    left: tuple[str, ...], tmp_path: Path
) -> None:
    for name in left:
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="is a run's directory"):
        make_output_folder(tmp_path)


def test_a_folder_of_an_export_or_of_a_sweep_is_none(tmp_path: Path) -> None:
    for name in ("config.json", ".lock"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
        make_output_folder(tmp_path / name)


def test_a_folder_with_a_config_of_an_export_can_be_predicted_into_again(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    for _ in range(2):
        make_output_folder(tmp_path)
        with alone_in(tmp_path):
            pass


def test_a_report_does_not_lie_in_what_it_is_made_of(tmp_path: Path) -> None:
    require_apart(tmp_path / "images-report", [tmp_path / "images"])
    with pytest.raises(UserError, match=r"images/out lies within input=.*images; name a folder"):
        require_apart(tmp_path / "images" / "out", [tmp_path / "other", tmp_path / "images"])
