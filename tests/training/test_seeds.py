"""Several seeds in one program leave what their solo runs leave."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from benchmarks.run_differences import read_leaves
from wbc_jax.data.input_pipeline import epoch_order, sampling_shares
from wbc_jax.datasets.places import Places
from wbc_jax.errors import UserError
from wbc_jax.evaluation.pool import pool
from wbc_jax.training import seeds as seeds_module
from wbc_jax.training.checkpointing import Checkpoints
from wbc_jax.training.experiment import build_experiment, make_predict_part
from wbc_jax.training.finite import NotFinite
from wbc_jax.training.interruption import Interrupted
from wbc_jax.training.open_run import open_run
from wbc_jax.training.rngs import named_key
from wbc_jax.training.seed_steps import SeedSteps, stack
from wbc_jax.training.seed_timing import SeedTiming, time_both_ways
from wbc_jax.training.seeds import train_seeds
from wbc_jax.training.sharding import split_by_example
from wbc_jax.training.step_parts import build_feed, build_optimizer, build_schedule
from wbc_jax.training.train import train
from wbc_jax.training.train_state import Progress
from wbc_jax.training.train_step import make_run_steps, make_train_step, zero_sums
from wbc_jax.training.trainer import Trainer

SEEDS = (0, 3)
# Adam divides a gradient by its own size: where the true one is zero, rounding alone is left.
PLAIN = {
    **{f"augment.{name}": 0.0 for name in ("rotation", "scale", "light", "cutout")},
    **{"augment.mirror": False, "augment.flip": False, "augment.crop_margin": 0},
    **{"data.balance": "none", "train.mixup": 0.0, "optim.name": "sgd"},
    "data.validation_share": 0.3,  # each seed holds out smears of its own
    **{"eval.test_time_flips": True, "eval.train_at_rest": True},
    "data.image_size": 8,
    "model.conv_features": (4,),
    "train.batch_size": 8,
}

pytestmark = pytest.mark.usefixtures("no_report", "quick_compilation")


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
        patch.setattr(evaluate, "write_report", lambda run, images: run.path / "report.html")
        for seed in SEEDS:
            config = tiny_config(changes=PLAIN | {"seed": seed})
            train(config, Places(None, cache_dir), workdir=folder / f"seed{seed}")
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
        for part in ("train", "validation", "test", "train_at_rest"):
            assert one[part] == pytest.approx(other[part], rel=1e-4, abs=1e-6), part


def directories(folder: Path) -> dict[int, Path]:
    return {seed: folder / f"seed{seed}" for seed in SEEDS}


def train_together(
    configs: list[ConfigDict], own: dict[int, Path], cache_dir: Path
) -> list[dict[str, Any]]:
    pairs = list(zip(configs, own.values(), strict=True))
    return train_seeds(pairs, Places(None, cache_dir), together=True)


def test_seeds_trained_together_are_their_solo_runs(
    configs: list[ConfigDict], solo: dict[int, Path], cache_dir: Path, tmp_path: Path
) -> None:
    own = directories(tmp_path)
    results = train_together(configs, own, cache_dir)
    assert [one["seed"] for one in results] == list(SEEDS)
    for seed, path in own.items():
        require_same(path, solo[seed])
        assert {entry.name for entry in path.iterdir()} == {
            entry.name for entry in solo[seed].iterdir()
        }
        environment = json.loads((path / "environment.json").read_text(encoding="utf-8"))
        assert environment["seeds_at_once"] == list(SEEDS)
    assert pool(list(own.values()), tmp_path / "pooled").is_file()
    # Given again, nothing is trained: what the runs were made with stays.
    before = [(path / "environment.json").read_bytes() for path in own.values()]
    train_together(configs, own, cache_dir)
    assert [(path / "environment.json").read_bytes() for path in own.values()] == before


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
        train_seeds(pairs, Places(None, cache_dir), together=True)
    for path in own.values():
        assert not (path / "results.json").exists()
        assert len((path / "metrics.jsonl").read_text().splitlines()) == 1
    num_calls = len(calls)
    train_seeds(pairs, Places(None, cache_dir), together=True)
    assert len(calls) == num_calls  # in the middle of an epoch: each by itself
    for seed, path in own.items():
        require_same(path, solo[seed])


def test_a_seed_with_fewer_steps_waits_for_the_others(
    configs: list[ConfigDict], cache_dir: Path
) -> None:
    """Also its learning rate falls by its own number of steps."""
    config = configs[0]
    config.optim.schedule = "cosine"
    whole = build_experiment(config, Places(None, cache_dir))
    part = whole.data.partition
    rows = np.arange(len(part.train.label) - 2 * config.train.batch_size)
    fewer = dataclasses.replace(
        whole,
        data=dataclasses.replace(whole.data, partition=part._replace(train=part.train.take(rows))),
        tx=build_optimizer(config, build_schedule(config, whole.steps_per_epoch - 2)),
        steps_per_epoch=whole.steps_per_epoch - 2,
    )
    steps = SeedSteps(config, [whole, fewer])
    assert steps.num_steps == [whole.steps_per_epoch, whole.steps_per_epoch - 2]
    states = stack([whole.initial_state()] * 2, steps.sharding)
    sums = stack([zero_sums()] * 2, steps.sharding)
    for epoch in (1, 2):
        states, sums = steps.run(states, sums, epoch=epoch, first=0, last=whole.steps_per_epoch)
    assert states.step.tolist() == [2 * number for number in steps.num_steps]
    for place, own in enumerate((whole, fewer)):
        feed = build_feed(config, own.task.to_input)
        run_steps = make_run_steps(
            make_train_step(own.task.model, own.tx, feed), split_by_example(own.mesh)
        )
        own = dataclasses.replace(own, run_steps=run_steps)
        progress = Progress(own.initial_state(), zero_sums())
        trainer = Trainer(config, own, progress)
        for step in range(2 * own.steps_per_epoch):
            progress = trainer.one_step(progress, step)
        for name in ("params", "batch_stats"):
            jax.tree.map(
                lambda left, right, place=place: np.testing.assert_allclose(
                    left[place], right, rtol=1e-3, atol=1e-5
                ),
                getattr(states, name),
                getattr(progress.state, name),
            )
        assert float(sums["softmax_cross_entropy"][place]) == pytest.approx(
            float(progress.sums["softmax_cross_entropy"]), rel=1e-4
        )


def test_a_balanced_set_is_drawn_as_asked(
    tiny_config: Callable[..., ConfigDict], cache_dir: Path
) -> None:
    """By the trainer of one seed and by that of several."""
    config = tiny_config(changes=PLAIN | {"data.balance": "smears"})
    experiment = build_experiment(config, Places(None, cache_dir))
    examples = experiment.data.partition.train

    def draw(shares: np.ndarray | None) -> np.ndarray:
        key, count = named_key(config.seed, "order"), len(examples.label)
        return np.asarray(epoch_order(key, 1, num_examples=count, batch_size=8, shares=shares))

    order = draw(sampling_shares(examples, "smears"))
    assert (order != draw(None)).any()
    np.testing.assert_array_equal(SeedSteps(config, [experiment])._draw_order(1)[0], order)
    trainer = Trainer(config, experiment, Progress(experiment.initial_state(), zero_sums()))
    for step, rows in enumerate(order):
        batch, _ = trainer.inputs(step)
        np.testing.assert_array_equal(batch["label"], examples.label[rows])
        np.testing.assert_array_equal(batch["image"], examples.image[rows])


def test_each_seed_has_random_keys_of_its_own(configs: list[ConfigDict], cache_dir: Path) -> None:
    experiments = [build_experiment(config, Places(None, cache_dir)) for config in configs]
    keys = SeedSteps(configs[0], experiments)._keys
    for name in ("dropout", "augment"):
        for key, seed in zip(keys[name], SEEDS, strict=True):
            assert (jax.random.key_data(key) == jax.random.key_data(named_key(seed, name))).all()


def test_the_training_images_at_rest_are_measured_as_the_test_is(
    configs: list[ConfigDict], solo: dict[int, Path], cache_dir: Path
) -> None:
    experiment = build_experiment(configs[0], Places(None, cache_dir))
    examples = experiment.data.partition.train
    with Checkpoints(solo[0] / "checkpoints") as checkpoints:
        saved = checkpoints.restore_latest(Progress(experiment.initial_state(), zero_sums()))
    assert saved is not None
    predict = make_predict_part(configs[0], experiment, examples)
    expected = experiment.task.mean_metrics(predict(saved.progress.state.variables), examples)
    last = json.loads((solo[0] / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["train_at_rest"] == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds whose training was begun; that of the first fails."""
    seeds = []

    def fail_once(config: ConfigDict, *_: Any, **__: Any) -> dict[str, Any]:
        seeds.append(config.seed)
        if config.seed == SEEDS[0]:
            raise UserError("the disk is full")
        return {}

    monkeypatch.setattr(seeds_module, "train", fail_once)
    return seeds


def test_a_seed_that_fails_does_not_stop_the_others(
    configs: list[ConfigDict], begun: list[int], tmp_path: Path
) -> None:
    pairs = list(zip(configs, directories(tmp_path).values(), strict=True))
    with pytest.raises(UserError, match=r"^seed0: the disk is full$"):
        train_seeds(pairs, Places(None, tmp_path), together=False)
    assert begun == list(SEEDS)


def test_of_several_processes_none_goes_on_to_the_next_seed_alone(
    configs: list[ConfigDict], begun: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may be full for the first alone: the others are still within this seed."""
    monkeypatch.setattr(seeds_module, "is_shared", lambda: True)
    pairs = list(zip(configs, directories(tmp_path).values(), strict=True))
    with pytest.raises(UserError, match=r"^the disk is full$"):
        train_seeds(pairs, Places(None, tmp_path))
    assert begun == [SEEDS[0]]


def test_a_seed_whose_directory_cannot_be_used_does_not_stop_the_others(
    configs: list[ConfigDict], solo: dict[int, Path], cache_dir: Path, tmp_path: Path
) -> None:
    own = directories(tmp_path)
    own[0].mkdir()
    (own[0] / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"^seed0: .*belongs to a run of another config"):
        train_together(configs, own, cache_dir)
    require_same(own[3], solo[3])


def test_a_seed_that_cannot_be_finished_does_not_stop_the_others(
    configs: list[ConfigDict],
    solo: dict[int, Path],
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, finish = directories(tmp_path), seeds_module.finish

    def finish_or_not(run: Any, *rest: Any) -> dict[str, Any]:
        if run.config.seed == SEEDS[0]:
            raise UserError("its report cannot be written")
        return finish(run, *rest)

    monkeypatch.setattr(seeds_module, "finish", finish_or_not)
    with pytest.raises(UserError, match=r"^seed0: its report cannot be written$"):
        train_together(configs, own, cache_dir)
    require_same(own[3], solo[3])


def test_a_signal_saves_every_seed_but_one_that_has_run_away(
    configs: list[ConfigDict], cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, save = directories(tmp_path), seeds_module.Loop.save_now

    def save_or_not(loop: Any, *rest: Any) -> None:
        if loop._config.seed == SEEDS[0]:
            raise NotFinite("a value in the state after step 3")
        save(loop, *rest)

    monkeypatch.setattr(seeds_module.Loop, "save_now", save_or_not)
    monkeypatch.setattr(seeds_module.tqdm, "update", lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        train_together(configs, own, cache_dir)
    assert Checkpoints(own[0] / "checkpoints").steps() == []
    assert len(Checkpoints(own[3] / "checkpoints").steps()) == 1


def test_a_loss_that_is_no_number_ends_its_seed_alone(
    configs: list[ConfigDict],
    solo: dict[int, Path],
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, close = directories(tmp_path), seeds_module.Loop.close_epoch

    def close_or_not(loop: Any, epoch: int, result: Any, *rest: Any) -> None:
        if epoch == 2 and loop._config.seed == SEEDS[0]:
            raise NotFinite("the train loss of epoch 2")
        close(loop, epoch, result, *rest)

    monkeypatch.setattr(seeds_module.Loop, "close_epoch", close_or_not)
    with pytest.raises(UserError, match=r"^seed0: the train loss of epoch 2 is no finite number"):
        train_together(configs, own, cache_dir)
    assert not (own[0] / "results.json").exists()
    require_same(own[3], solo[3])


def test_where_every_seed_has_failed_training_ends(
    configs: list[ConfigDict],
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    epochs: list[int] = []

    def fail(loop: Any, epoch: int, *rest: Any) -> None:
        epochs.append(epoch)
        raise NotFinite(f"the train loss of epoch {epoch}")

    monkeypatch.setattr(seeds_module.Loop, "close_epoch", fail)
    own = directories(tmp_path)
    with pytest.raises(UserError, match="the train loss of epoch 1 is no finite number"):
        train_together(configs, own, cache_dir)
    assert epochs == [1, 1]


def test_seeds_are_spread_over_as_many_devices_as_share_them_evenly(checkout: Any) -> None:
    code = (
        "import jax, numpy as np\n"
        "from wbc_jax.training.seed_steps import seed_sharding, stack\n"
        "for seeds in (4, 3, 2, 1):\n"
        "    stacked = stack([{'w': np.full(2, seed)} for seed in range(seeds)], "
        "seed_sharding(seeds, jax.devices()))['w']\n"
        "    print([shard.data.tolist() for shard in stacked.addressable_shards])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"JAX_NUM_CPU_DEVICES": "2"},
        cwd=checkout.root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == [
        "[[[0, 0], [1, 1]], [[2, 2], [3, 3]]]",
        "[[[0, 0], [1, 1], [2, 2]]]",
        "[[[0, 0]], [[1, 1]]]",
        "[[[0, 0]]]",
    ]


def test_where_seeds_train_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform, expected in (("cpu", False), ("gpu", True), ("tpu", True)):
        monkeypatch.setattr(seeds_module.jax, "default_backend", lambda name=platform: name)
        assert seeds_module.may_be_faster_together() is expected


@pytest.mark.parametrize("together", [1.0, 3.0])
def test_seeds_train_in_one_program_where_a_few_steps_show_that_it_is_faster(
    configs: list[ConfigDict],
    solo: dict[int, Path],
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    together: float,
) -> None:
    """What the trial steps have trained is forgotten, whatever they show."""
    tried = []

    def time_and_pretend(*args: Any) -> SeedTiming:
        tried.append(time_both_ways(*args))
        return SeedTiming(solo=2.0, together=together)

    monkeypatch.setattr(seeds_module, "may_be_faster_together", lambda: True)
    monkeypatch.setattr(seeds_module, "time_both_ways", time_and_pretend)
    own = directories(tmp_path)
    pairs = list(zip(configs, own.values(), strict=True))
    train_seeds(pairs, Places(None, cache_dir))
    assert len(tried) == 1
    assert min(tried[0]) > 0
    for seed, path in own.items():
        require_same(path, solo[seed])
        environment = json.loads((path / "environment.json").read_text(encoding="utf-8"))
        assert ("seeds_at_once" in environment) is (together < 2.0)


def test_timing_takes_the_least_of_three_rounds_after_the_first(
    configs: list[ConfigDict], cache_dir: Path, tmp_path: Path
) -> None:
    """A clock that is set: solo rounds of 99, 7, 5, 6 s, those in one program of 99, 9, 8, 20 s."""
    taken = [(99.0, 99.0), (7.0, 9.0), (5.0, 8.0), (6.0, 20.0)]
    seconds = np.cumsum([lap for one, all_ in taken for lap in (0.0, one, all_)])
    with ExitStack() as opened:
        runs = [
            opened.enter_context(open_run(config, Places(None, cache_dir), workdir=path))
            for config, path in zip(configs, directories(tmp_path).values(), strict=True)
        ]
        steps = SeedSteps(configs[0], [run.experiment for run in runs])
        timing = time_both_ways(configs[0], runs, steps, clock=iter(seconds.tolist()).__next__)
        count = min(20, *steps.num_steps)
    assert timing == pytest.approx((len(SEEDS) * 5.0 / count, 8.0 / count))
