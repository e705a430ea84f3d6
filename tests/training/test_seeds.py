"""Several seeds in one program leave what their solo runs leave."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from benchmarks.run_differences import read_leaves
from wbc_jax.errors import UserError
from wbc_jax.evaluation.pool import pool
from wbc_jax.training import seeds as seeds_module
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.interruption import Interrupted
from wbc_jax.training.seeds import train_seeds
from wbc_jax.training.train import train

SEEDS = (0, 3)
# Adam divides a gradient by its own size: where the true one is zero, rounding alone is left.
PLAIN = {
    **{f"augment.{name}": 0.0 for name in ("rotation", "scale", "light", "cutout")},
    **{"augment.mirror": False, "augment.flip": False, "augment.crop_margin": 0},
    **{"data.balance": "none", "train.mixup": 0.0, "optim.name": "sgd"},
    "data.validation_share": 0.3,  # of other smears by seed, so that the numbers of steps differ
    "train.batch_size": 8,
}

pytestmark = pytest.mark.usefixtures("no_report")


@pytest.fixture
def configs(tiny_config: Callable[..., ConfigDict]) -> list[ConfigDict]:
    return [tiny_config(changes=PLAIN | {"seed": seed}) for seed in SEEDS]


@pytest.fixture(scope="module")
def solo(
    tiny_config: Callable[..., ConfigDict],
    cache_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[int, Path]:
    """The solo runs of both seeds; only to be read."""
    from wbc_jax.evaluation import evaluate

    folder = tmp_path_factory.mktemp("solo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "write_report", lambda workdir, images: workdir / "report.html")
        for seed in SEEDS:
            config = tiny_config(changes=PLAIN | {"seed": seed})
            train(config, workdir=folder / f"seed{seed}", data_dir=None, cache_dir=cache_dir)
    return {seed: folder / f"seed{seed}" for seed in SEEDS}


def require_same(ours: Path, theirs: Path) -> None:
    """Every weight, statistic and figure is that of the other run, to rounding."""
    left, right = read_leaves(ours), read_leaves(theirs)
    assert left.keys() == right.keys()
    for name, leaf in right.items():
        np.testing.assert_allclose(left[name], leaf, rtol=1e-3, atol=1e-5, err_msg=name)
    with (
        np.load(ours / "predictions.npz") as one,
        np.load(theirs / "predictions.npz") as other,
    ):
        np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=1e-5)
        assert one["filename"].tolist() == other["filename"].tolist()
    for name in ("config.json", "dataset.json"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    histories = [
        [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        for path in (ours, theirs)
    ]
    assert len(histories[0]) == len(histories[1]) == 2
    for one, other in zip(*histories, strict=True):
        for part in ("train", "validation", "test"):
            assert one[part] == pytest.approx(other[part], rel=1e-4, abs=1e-6), part


def directories(folder: Path) -> dict[int, Path]:
    return {seed: folder / f"seed{seed}" for seed in SEEDS}


def test_seeds_trained_together_are_their_solo_runs(
    configs: list[ConfigDict], solo: dict[int, Path], cache_dir: Path, tmp_path: Path
) -> None:
    own = directories(tmp_path)
    results = train_seeds(
        list(zip(configs, own.values(), strict=True)),
        together=True,
        data_dir=None,
        cache_dir=cache_dir,
    )
    assert [one["seed"] for one in results] == list(SEEDS)
    steps = {seed: Checkpoints(path / "checkpoints").steps()[-1] for seed, path in solo.items()}
    assert steps[0] != steps[3]  # one waits for the other at the end of an epoch
    for seed, path in own.items():
        require_same(path, solo[seed])
        assert {entry.name for entry in path.iterdir()} == {
            entry.name for entry in solo[seed].iterdir()
        }
        environment = json.loads((path / "environment.json").read_text(encoding="utf-8"))
        assert environment["seeds_at_once"] == list(SEEDS)
    assert pool(list(own.values()), tmp_path / "pooled").is_file()


def test_seeds_that_a_signal_ended_go_on_as_solo_runs(
    configs: list[ConfigDict],
    solo: dict[int, Path],
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, run, calls = directories(tmp_path), seeds_module.SeedSteps.run, []

    def run_and_signal(*args: Any, **kwargs: Any) -> Any:
        calls.append(kwargs)
        if kwargs["epoch"] == 2 and kwargs["first"] == 2:
            signal.raise_signal(signal.SIGTERM)
        return run(*args, **kwargs)

    monkeypatch.setattr(seeds_module.SeedSteps, "run", run_and_signal)
    pairs = list(zip(configs, own.values(), strict=True))
    with pytest.raises(Interrupted):
        train_seeds(pairs, together=True, data_dir=None, cache_dir=cache_dir)
    for path in own.values():
        assert not (path / "results.json").exists()
        assert len((path / "metrics.jsonl").read_text().splitlines()) == 1
    num_calls = len(calls)
    train_seeds(pairs, together=True, data_dir=None, cache_dir=cache_dir)
    assert len(calls) == num_calls  # in the middle of an epoch: each by itself
    for seed, path in own.items():
        require_same(path, solo[seed])


def test_a_seed_that_fails_does_not_stop_the_others(
    configs: list[ConfigDict], solo: dict[int, Path], cache_dir: Path, tmp_path: Path
) -> None:
    own = directories(tmp_path)
    own[0].mkdir(parents=True)
    (own[0] / "of-somebody-else").touch()
    with pytest.raises(UserError, match=r"seed0: .* is not a run directory"):
        train_seeds(
            list(zip(configs, own.values(), strict=True)),
            together=False,
            data_dir=None,
            cache_dir=cache_dir,
        )
    require_same(own[3], solo[3])


def test_where_seeds_train_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform, expected in (("cpu", False), ("gpu", True), ("tpu", True)):
        monkeypatch.setattr(seeds_module.jax, "default_backend", lambda name=platform: name)
        assert seeds_module.is_faster_together() is expected
