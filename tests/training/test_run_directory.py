"""What a run directory accepts, keeps and refuses."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from ml_collections import ConfigDict

from wbc_jax.atomic_files import temporary_name
from wbc_jax.errors import UserError
from wbc_jax.training.run_directory import RunDirectory

CONFIG: dict[str, Any] = {
    "seed": 0,
    "model": {"name": "cnn", "conv_features": (32, 64), "head": {"num_pools": 3}},
    "optim": {"learning_rate": 1e-3},
}


DATA: dict[str, Any] = {
    "dataset": "lisc",
    "splits": {"all": {"num_examples": 250, "digest": "ab12"}},
    "num_train": 200,
    "warnings": [],
}


def epoch_line(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "train": {"loss": 1 / (epoch + 2)}, "test": {"loss": 0.1 * epoch}}


def opened(path: Path, config: dict[str, Any] = CONFIG) -> RunDirectory:
    """What training does at every start."""
    run = RunDirectory(path)
    run.require_usable(config)
    run.create(config, DATA)
    return run


def lines(run: RunDirectory) -> list[dict[str, Any]]:
    text = (run.path / "metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return opened(tmp_path / "runs" / "new", CONFIG)


def test_a_config_comes_back_as_it_was_with_its_tuples(run: RunDirectory) -> None:
    loaded = run.load_config()
    assert isinstance(loaded, ConfigDict)
    assert loaded.to_dict() == CONFIG
    assert isinstance(loaded.model.conv_features, tuple)


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert opened(tmp_path, CONFIG).load_config().seed == 0


def test_the_same_config_opens_it_again_tuples_being_lists_on_disk(run: RunDirectory) -> None:
    run.append_epoch(epoch_line(1))
    again = opened(run.path, CONFIG)
    assert lines(again) == [epoch_line(1)]


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        (CONFIG | {"seed": 1}, ["seed: there 0, asked for 1"]),
        (
            CONFIG | {"model": CONFIG["model"] | {"head": {"num_pools": 2, "num_norms": 1}}},
            [
                "model.head.num_norms: there None, asked for 1",
                "model.head.num_pools: there 3, asked for 2",
            ],
        ),
        (
            {"seed": 0, "model": CONFIG["model"]},
            ["optim.learning_rate: there 0.001, asked for None"],
        ),
    ],
)
def test_another_config_is_refused_with_exactly_the_differing_fields(
    run: RunDirectory, config: dict[str, Any], rows: list[str]
) -> None:
    with pytest.raises(UserError) as raised:
        opened(run.path, config)
    first, *listed = str(raised.value).splitlines()
    assert str(run.path) in first
    assert "--workdir" in first
    assert [row.strip() for row in listed] == rows


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"not a run directory .*thesis\.tex.*--workdir"):
        opened(tmp_path, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file; name a folder"):
        opened(tmp_path / "file", CONFIG)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        opened(tmp_path / "file" / "below", CONFIG)


@pytest.mark.parametrize("content", ["{", "", '{"seed": 0, ', "[1, 2]"])
def test_a_damaged_config_is_named(run: RunDirectory, content: str) -> None:
    (run.path / "config.json").write_text(content, encoding="utf-8")
    for attempt in (lambda: opened(run.path, CONFIG), run.load_config):
        with pytest.raises(UserError, match=r"config\.json is damaged"):
            attempt()


def test_the_config_of_no_run_is_asked_for_in_vain(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a run directory \(no config\.json\)"):
        RunDirectory(tmp_path).load_config()


@pytest.mark.parametrize(
    "left",
    [
        "",
        '{"epoch": 1, "tra',
        f"{json.dumps(epoch_line(1))}\n{json.dumps(epoch_line(2))}\n" + '{"epoch": 3, "tra',
        f"{json.dumps(epoch_line(2))}\n",
        "\x00\x00\x00\n",
    ],
)
@pytest.mark.parametrize("num_epochs", [0, 1, 2])
def test_the_history_of_the_checkpoint_replaces_what_an_interruption_or_damage_left(
    left: str, num_epochs: int, run: RunDirectory
) -> None:
    (run.path / "metrics.jsonl").write_text(left, encoding="utf-8")
    history = [epoch_line(epoch) for epoch in range(1, num_epochs + 1)]
    run.write_epochs(history)
    assert lines(run) == history
    run.append_epoch(epoch_line(num_epochs + 1))
    assert lines(run) == [*history, epoch_line(num_epochs + 1)]


def test_a_history_that_is_right_is_left_as_it_is(run: RunDirectory) -> None:
    run.append_epoch(epoch_line(1))
    before = (run.path / "metrics.jsonl").stat()
    run.write_epochs([epoch_line(1)])
    after = (run.path / "metrics.jsonl").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_run_without_an_epoch_gets_no_history(run: RunDirectory) -> None:
    run.write_epochs([])
    assert not (run.path / "metrics.jsonl").exists()


def test_a_metric_that_is_no_number_is_written_as_json(run: RunDirectory) -> None:
    run.append_epoch({"epoch": 1, "train": {"loss": math.nan}})
    line = (run.path / "metrics.jsonl").read_text(encoding="utf-8")
    assert json.loads(line, parse_constant=pytest.fail) == {"epoch": 1, "train": {"loss": None}}


def test_asking_whether_a_place_is_usable_makes_nothing(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "new").require_usable(CONFIG)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"splits": {"all": {"num_examples": 250, "digest": "cd34"}}}, r"splits\.all\.digest"),
        ({"num_train": 201}, "num_train"),
    ],
)
def test_other_images_than_at_the_first_start_are_refused(
    run: RunDirectory, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(UserError, match=rf"started on other images: {field} was"):
        run.create(CONFIG, DATA | changed)
    run.create(CONFIG, DATA | {"warnings": ["worded anew"]})


def test_a_directory_in_use_is_refused_and_free_again_afterwards(run: RunDirectory) -> None:
    with run.locked():
        in_use = pytest.raises(UserError, match=r"is in use by process \d+ on .*--workdir")
        with in_use, RunDirectory(run.path).locked():
            pytest.fail("two are in it")
    with RunDirectory(run.path).locked():
        assert opened(run.path, CONFIG).load_config().seed == 0


def test_a_lock_alone_makes_no_stranger_of_a_new_directory(tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "r").locked():
        pass
    assert opened(tmp_path / "r", CONFIG).load_config().seed == 0


def test_what_a_killed_start_was_writing_makes_no_stranger_of_its_directory(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    temporary_name(tmp_path / "r" / "config.json").touch()
    assert opened(tmp_path / "r", CONFIG).load_config().seed == 0


def test_who_comes_second_into_a_new_directory_is_told_the_differing_fields(tmp_path: Path) -> None:
    """Both found it empty; the other was faster."""
    run = RunDirectory(tmp_path / "r")
    run.require_usable(CONFIG)
    opened(run.path, CONFIG | {"seed": 1})
    with run.locked(), pytest.raises(UserError, match="seed: there 1, asked for 0"):
        run.create(CONFIG, DATA)


def test_a_field_that_the_config_lacks_is_named_with_what_to_do(tmp_path: Path) -> None:
    run = opened(tmp_path, CONFIG)
    with (
        pytest.raises(UserError, match=r"config\.json lacks a field .*\(mixup\).*train it again"),
        run.reading_config() as config,
    ):
        config.optim.mixup  # noqa: B018


def test_an_attribute_that_something_else_lacks_is_no_matter_of_the_config(tmp_path: Path) -> None:
    run = opened(tmp_path, CONFIG)
    with pytest.raises(AttributeError, match="'int'"), run.reading_config() as config:
        config.seed.size  # noqa: B018
