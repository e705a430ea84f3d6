"""Which checkpoints are kept, and what comes back from them."""

import errno
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.damage import fail_on_a_full_disk
from wbc_jax.digests import Unreadable
from wbc_jax.errors import UserError
from wbc_jax.training import checkpointing
from wbc_jax.training.checkpointing import Checkpoint, Checkpoints
from wbc_jax.training.train_state import Progress, TrainState


def make_state(step: int, *, width: int = 3) -> Progress:
    state = TrainState(
        step=jnp.asarray(step, jnp.int32),
        params={"Dense_0": {"kernel": jnp.arange(2.0 * width).reshape(2, width) + step}},
        batch_stats={},
        opt_state=({"momentum": jnp.full((2,), step / 7)}, ()),
        average={"params": {"w": jnp.full((3,), step / 3)}, "batch_stats": {}},
    )
    return Progress(state, {"loss": jnp.asarray(step / 9)})


def save(checkpoints: Checkpoints, step: int, loss: float = 0.5, **facts: Any) -> None:
    checkpoints.save(step, make_state(step), facts=facts, train_loss=loss)


def restore(folder: Path, target: Progress | None = None) -> Checkpoint:
    with Checkpoints(folder) as checkpoints:
        checkpoint = checkpoints.restore_latest(like(target or make_state(0)))
    assert checkpoint is not None
    return checkpoint


def like(state: Progress) -> Progress:
    """What is expected, as a run gives it: shapes, dtypes and where they shall lie."""
    where = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), state
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder of two checkpoints, of steps 1 and 2."""
    with Checkpoints(tmp_path / "c") as checkpoints:
        for step in (1, 2):
            save(checkpoints, step, epochs=[{"epoch": step}])
    return tmp_path / "c"


def require_state(progress: Progress, step: int) -> None:
    expected = make_state(step)
    assert jax.tree.structure(progress) == jax.tree.structure(expected)
    for leaf, other in zip(jax.tree.leaves(progress), jax.tree.leaves(expected), strict=True):
        assert leaf.dtype == other.dtype
        assert np.asarray(leaf).tobytes() == np.asarray(other).tobytes()


def test_a_state_comes_back_bit_for_bit_with_its_facts(saved: Path) -> None:
    checkpoint = restore(saved)
    assert checkpoint.step == 2
    assert checkpoint.facts == {"epochs": [{"epoch": 2}]}
    require_state(checkpoint.progress, 2)


def test_a_step_that_overwrites_the_state_does_not_reach_what_is_being_saved(
    tmp_path: Path,
) -> None:
    def make_large() -> Progress:
        weights = jnp.arange(2.0**20)
        state = TrainState(
            jnp.asarray(3), params={"w": weights}, batch_stats={}, opt_state=(), average={}
        )
        return Progress(state, {})

    step = jax.jit(lambda tree: jax.tree.map(lambda leaf: -leaf, tree), donate_argnums=0)
    progress = make_large()
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, progress, facts={})
        for _ in range(20):
            progress = step(progress)
    restored = restore(tmp_path / "c", make_large()).progress.state
    np.testing.assert_array_equal(restored.params["w"], make_large().state.params["w"])
    assert int(restored.step) == 3


@pytest.mark.parametrize(
    ("losses", "num_best", "expected"),
    [
        ([0.5, 0.2, 0.4, 0.3], 1, [2, 3, 4]),
        ([0.5, 0.2, 0.4, 0.6, 0.3], 2, [2, 4, 5]),
        ([0.2, 0.5, 0.1, 0.3, 0.4], 2, [1, 3, 4, 5]),
        ([0.5, 0.4, 0.3], 1, [2, 3]),
        ([0.1, 0.4, 0.3], 0, [2, 3]),
        ([0.5, math.nan, 0.9], 1, [1, 2, 3]),
        ([math.nan, math.inf, 0.9, math.nan], 1, [3, 4]),
    ],
)
def test_the_last_two_and_the_lowest_finite_losses_are_kept(
    losses: list[float], num_best: int, expected: list[int], tmp_path: Path
) -> None:
    with Checkpoints(tmp_path / "c", num_best=num_best) as checkpoints:
        for step, loss in enumerate(losses, start=1):
            save(checkpoints, step, loss)
    assert Checkpoints(tmp_path / "c").steps() == expected
    assert restore(tmp_path / "c").step == len(losses)


def test_the_best_of_an_earlier_start_outlives_a_resume(tmp_path: Path) -> None:
    for step, loss in ((1, 0.1), (2, 0.5), (3, 0.4), (4, 0.3)):
        with Checkpoints(tmp_path / "c") as checkpoints:
            save(checkpoints, step, loss)
    assert Checkpoints(tmp_path / "c").steps() == [1, 3, 4]


@pytest.mark.parametrize("is_given", [True, False])
def test_a_best_that_is_damaged_or_away_for_a_moment_is_not_deleted(
    is_given: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "c"
    with Checkpoints(folder) as checkpoints:
        for step, loss in ((1, 0.1), (2, 0.5), (3, 0.4)):
            save(checkpoints, step, loss)
    manifest, read = folder / "1" / "manifest.json", checkpointing.read_sealed_json

    def fails(path: Path) -> Any:
        if path == manifest:
            raise Unreadable("Input/output error")
        return read(path)

    if is_given:
        manifest.write_text("{}", encoding="utf-8")
    else:
        monkeypatch.setattr(checkpointing, "read_sealed_json", fails)
    with Checkpoints(folder) as checkpoints:
        save(checkpoints, 4, 0.3)
    assert Checkpoints(folder).steps() == ([3, 4] if is_given else [1, 3, 4])
    set_aside = tmp_path / "damaged_checkpoints" / "1-1"
    assert set_aside.is_dir() == is_given


def test_a_folder_without_checkpoints_gives_none_and_is_not_made(tmp_path: Path) -> None:
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.restore_latest(like(make_state(0))) is None
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("width", [2, 4])
def test_another_shape_is_refused_with_both_shapes(width: int, saved: Path) -> None:
    with pytest.raises(UserError) as raised:
        restore(saved, make_state(1, width=width))
    message = str(raised.value)
    assert "1 arrays differ, first state/params/Dense_0/kernel" in message
    assert "saved (2, 3) float32" in message
    assert f"expected (2, {width}) float32" in message


def test_another_dtype_is_refused_and_not_cast(saved: Path) -> None:
    wanted = make_state(1)
    wanted = wanted.replace(state=wanted.state.replace(step=jnp.zeros((), jnp.float32)))
    with pytest.raises(UserError, match=r"state/step: saved \(\) int32, expected \(\) float32"):
        restore(saved, wanted)


def test_an_array_that_was_not_saved_is_named(saved: Path) -> None:
    wanted = make_state(1)
    params = wanted.state.params | {"Dense_1": {"kernel": jnp.zeros(2)}}
    wanted = wanted.replace(state=wanted.state.replace(params=params))
    with pytest.raises(UserError, match="first state/params/Dense_1/kernel: saved nothing"):
        restore(saved, wanted)


def files_of(checkpoint: Path) -> list[Path]:
    return sorted(path for path in checkpoint.rglob("*") if path.is_file())


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_a_block(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 16] = bytes(16)
    path.write_bytes(content)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


DAMAGES = [truncate, zero_a_block, flip_a_bit, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_any_file_is_noticed_named_and_set_aside(
    damage: Callable[[Path], None], saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [path.relative_to(saved / "2") for path in files_of(saved / "2")]
    assert len(names) > 5
    for number, name in enumerate(names):
        folder = Path(shutil.copytree(saved, saved.with_name(f"{number}") / "c"))
        before = (folder / "2" / name).read_bytes()
        damage(folder / "2" / name)
        assert not (folder / "2" / name).exists() or (folder / "2" / name).read_bytes() != before
        caplog.clear()
        checkpoint = restore(folder)
        assert checkpoint.step == 1
        require_state(checkpoint.progress, 1)
        assert str(folder / "2" / name) in caplog.text
        assert not (folder / "2").exists()
        aside = folder.with_name("damaged_checkpoints") / "2-1"
        assert len(files_of(aside)) == len(names) - (damage is Path.unlink)


def test_a_file_that_was_not_written_is_noticed(saved: Path) -> None:
    (saved / "2" / "state" / "more").write_bytes(b"x")
    assert restore(saved).step == 1


def test_an_empty_folder_named_like_a_step_is_no_checkpoint(saved: Path) -> None:
    (saved / "3").mkdir()
    assert restore(saved).step == 2


def test_an_array_that_reads_as_another_is_noticed(
    saved: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Files as written, and still other values: what stands between them and us failed."""
    digests = checkpointing.leaf_digests

    def wrong_once(progress: Progress) -> dict[str, Any]:
        monkeypatch.setattr(checkpointing, "leaf_digests", digests)
        return digests(progress) | {"sums/loss": {}}

    monkeypatch.setattr(checkpointing, "leaf_digests", wrong_once)
    assert restore(saved).step == 1
    assert "sums/loss" in caplog.text


def test_without_a_good_checkpoint_every_damage_is_told(saved: Path) -> None:
    for step in ("1", "2"):
        flip_a_bit(saved / step / "state" / "_METADATA")
    with pytest.raises(UserError, match="is left that is not damaged") as raised:
        restore(saved)
    assert str(saved / "1" / "state" / "_METADATA") in str(raised.value)
    assert str(saved / "2" / "state" / "_METADATA") in str(raised.value)
    assert "another --workdir" in str(raised.value)
    assert {path.name for path in saved.with_name("damaged_checkpoints").iterdir()} == {
        "1-1",
        "2-1",
    }
    # Nor does the next start begin anew over what may be mended.
    with pytest.raises(UserError, match=r"is left that is not damaged: 1-1; 2-1\. They lie in"):
        restore(saved)


def test_what_is_damaged_again_lies_beside_what_was_before(saved: Path) -> None:
    """Also where the user has brought one of several back, as the message says."""
    aside = saved.with_name("damaged_checkpoints")
    for name in ("2-2", "2-3"):
        shutil.copytree(saved / "2", aside / name)
    flip_a_bit(saved / "2" / "state" / "_METADATA")
    assert restore(saved).step == 1
    assert {path.name for path in aside.iterdir()} == {"2-1", "2-2", "2-3"}


def test_reading_names_damage_and_moves_nothing(saved: Path) -> None:
    target = like(make_state(0))
    checkpoint = Checkpoints(saved).read_latest(target)
    assert checkpoint is not None
    require_state(checkpoint.progress, 2)
    flip_a_bit(saved / "2" / "state" / "_METADATA")
    before = files_of(saved.parent)
    with pytest.raises(UserError, match=r"_METADATA is damaged .* sets this checkpoint aside"):
        Checkpoints(saved).read_latest(target)
    assert files_of(saved.parent) == before
    assert Checkpoints(saved.with_name("none")).read_latest(target) is None


def test_a_file_that_the_disk_does_not_give_is_no_damage(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network's disk that is away for a moment: the checkpoint stays where it is."""
    opened = Path.open

    def fails(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "_METADATA":
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *args, **options)

    before = files_of(saved.parent)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fails)
        with pytest.raises(UserError, match=r"_METADATA cannot be read .* nothing was moved"):
            restore(saved)
        with pytest.raises(UserError, match=r"_METADATA cannot be read .* try again"):
            Checkpoints(saved).read_latest(like(make_state(0)))
    assert files_of(saved.parent) == before
    assert restore(saved).step == 2


@pytest.mark.parametrize("is_named", [False, True])
def test_a_step_is_saved_anew_without_a_moment_in_which_it_is_lost(
    is_named: bool, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed while the new one gets its name, or while the old one is deleted."""

    class Killed(BaseException):
        pass

    def kill(path: Path, *_: Any, **__: Any) -> None:
        if path.name.startswith(".saving-2") and path.name.endswith("replaced") == is_named:
            raise Killed

    rename = Path.rename
    with monkeypatch.context() as patch:
        if is_named:
            patch.setattr(checkpointing.shutil, "rmtree", kill)
        else:
            patch.setattr(Path, "rename", lambda path, to: kill(path) or rename(path, to))
            patch.setattr(Checkpoints, "_bring_back_replaced", lambda _: None)  # killed is killed
        checkpoints = Checkpoints(saved)
        save(checkpoints, 2, epochs=["anew"])
        with pytest.raises(Killed):
            checkpoints.wait()
    found = restore(saved)
    assert found.step == 2
    assert (found.facts.get("epochs") == ["anew"]) == is_named
    with Checkpoints(saved) as checkpoints:
        save(checkpoints, 3)
    assert not list(saved.glob(".saving-*"))


def test_a_save_that_was_cut_off_leaves_the_earlier_ones_and_is_cleared_away(saved: Path) -> None:
    shutil.copytree(saved / "2" / "state", saved / ".saving-3" / "state")
    assert restore(saved).step == 2
    with Checkpoints(saved) as checkpoints:
        save(checkpoints, 4)
    # Step 1 is the best one of equals.
    assert {path.name for path in saved.iterdir()} == {"1", "2", "4"}


def test_a_save_that_fails_says_so_and_leaves_the_earlier_ones(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "write_manifest", fail_on_a_full_disk)
    checkpoints = Checkpoints(saved)
    save(checkpoints, 3)
    with pytest.raises(UserError, match=r"cannot be written .*No space left.* is intact"):
        checkpoints.wait()
    assert restore(saved).step == 2
