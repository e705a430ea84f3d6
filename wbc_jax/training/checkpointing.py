"""The training state on disk, by Orbax: the last two saved steps and the best epochs.

checkpoints = Checkpoints(workdir / "checkpoints")
checkpoints.save(step, progress, facts={"epochs": history}, train_loss=0.31)
checkpoint = checkpoints.restore_latest(abstract_progress)      # None where nothing was saved yet
"""

import itertools
import logging
import math
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax

from wbc_jax.digests import Damage, Unreadable, read_sealed_json
from wbc_jax.errors import UserError
from wbc_jax.training.disk import disk_error, require_room
from wbc_jax.training.finite import NotFinite, all_finite
from wbc_jax.training.manifest import (
    MANIFEST,
    leaf_digests,
    leaf_types,
    read_manifest,
    require_same_leaves,
    sync,
    write_manifest,
)
from wbc_jax.training.orbax_alone import for_orbax, on_this_process, open_checkpointer
from wbc_jax.training.processes import is_first
from wbc_jax.training.train_state import Progress

_log = logging.getLogger(__name__)
_STATE = "state"
_SAVING = ".saving-"
_REPLACED = "-replaced"
_BESIDE = 1_000_000  # bytes, of the files that say where each array lies: a third of that
NUM_LATEST = 2  # where the last is damaged, the run goes on from the one before


class Checkpoint(NamedTuple):
    """What was saved at one step.

    Attributes:
        step: training steps done.
        progress: the state then, and the sums of the epoch in which it was saved.
        facts: as given to `save`.
    """

    step: int
    progress: Progress
    facts: dict[str, Any]


def _copy(progress: Progress) -> Progress:
    """The next step overwrites the donated state while what is returned goes to disk."""
    shardings = jax.tree.map(lambda leaf: leaf.sharding, progress)
    return jax.device_put(progress, shardings, may_alias=False)


class Checkpoints:
    """A folder of checkpoints named by their steps; the last two and the lowest losses are kept.

    The best is chosen by the training loss, never by the test: results always come from the last
    epoch, and a state picked by its test score would be a tuned one. Saving goes on while training
    does; leaving the `with` block waits for it. A checkpoint gets its name when it is complete and
    on the disk, so that an interrupted save leaves the earlier ones and nothing that looks like
    one. A damaged one is set aside in the folder `damaged_checkpoints` beside this one.
    """

    def __init__(self, folder: Path, *, num_best: int = 1) -> None:
        """Names `folder`; the first save makes it."""
        self._folder = folder
        self._num_best = num_best
        self._executor: ThreadPoolExecutor | None = None
        self._saving: Future[None] | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown()
        if error is None:
            self.wait()

    def steps(self) -> list[int]:
        """Returns the steps saved, damaged ones included, from the first to the last."""
        if not self._folder.is_dir():
            return []
        return sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdecimal())

    def wait(self) -> None:
        """Waits for the save that is going on.

        Raises:
            UserError: it failed; those before it are as they were.
        """
        saving, self._saving = self._saving, None
        if saving is None:
            return
        try:
            saving.result()
        except OSError as error:
            raise disk_error(self._folder, error.strerror or str(error)) from error

    def save(
        self,
        step: int,
        progress: Progress,
        *,
        facts: Mapping[str, Any],
        train_loss: float = math.nan,
    ) -> None:
        """Begins to save; what failed in the save before raises.

        Of several processes the first alone writes; the state is the same in all.

        Args:
            step: training steps done.
            progress: as it is now; the caller may overwrite it afterwards.
            facts: plain values that go with it.
            train_loss: by which the best is chosen; no number where there is none.

        Raises:
            NotFinite: the progress is not worth keeping; nothing is written.
            UserError: the save before failed.
        """
        self.wait()
        if not all_finite(progress):
            raise NotFinite(f"a value in the state after step {step}")
        if not is_first():
            return
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "checkpoint")
        copy, facts = _copy(on_this_process(progress)), dict(facts)
        self._saving = self._executor.submit(self._write, step, copy, facts, train_loss)

    def restore_latest(self, target: Progress) -> Checkpoint | None:
        """Returns the latest checkpoint that is not damaged; damaged ones are set aside.

        Args:
            target: shapes, dtypes and shardings of what is expected.

        Raises:
            UserError: it is of another model or optimizer, none was left that is not damaged, or
                the disk does not give it, which says nothing about what it holds.
        """
        self.wait()
        self._bring_back_replaced()
        damages = []
        for step in reversed(self.steps()):
            try:
                return self._restore(step, target)
            except Unreadable as error:
                raise UserError(
                    f"{error}; nothing was moved. Start again once the disk gives it; if it never "
                    f"does, move {self._folder / str(step)} away, and the run goes on from the "
                    "checkpoint before"
                ) from error
            except Damage as damage:
                place = self._set_aside(step)
                _log.warning("%s; the checkpoint was moved to %s", damage, place)
                damages.append(str(damage))
        if not damages and self._damaged.is_dir():  # of an earlier start
            damages = sorted(path.name for path in self._damaged.iterdir())
        if damages:
            raise UserError(
                f"no checkpoint in {self._folder} is left that is not damaged: "
                f"{'; '.join(damages)}. They lie in {self._damaged}: bring back a copy of one, or "
                "start anew in another --workdir"
            )
        return None

    def read_latest(self, target: Progress) -> Checkpoint | None:
        """Returns the latest checkpoint and changes nothing, so that it needs no lock.

        Args:
            target: shapes, dtypes and shardings of what is expected.

        Raises:
            UserError: it is damaged, of another model or optimizer, or the disk does not give it.
        """
        if not (steps := self.steps()):
            return None
        try:
            return self._restore(steps[-1], target)
        except Unreadable as error:
            raise UserError(f"{error}; try again once the disk gives it") from error
        except Damage as damage:
            raise UserError(
                f"{damage}; the command that started the run sets this checkpoint aside and trains "
                "again from the one before"
            ) from damage

    @property
    def _damaged(self) -> Path:
        return self._folder.with_name("damaged_checkpoints")

    def _write(self, step: int, progress: Progress, facts: dict[str, Any], loss: float) -> None:
        new, final = self._folder / f"{_SAVING}{step}", self._folder / str(step)
        replaced = self._folder / f"{_SAVING}{step}{_REPLACED}"
        self._folder.mkdir(parents=True, exist_ok=True)
        for rest in self._folder.glob(f"{_SAVING}*"):
            shutil.rmtree(rest)
        state_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(progress))
        require_room(self._folder, state_bytes + _BESIDE)
        try:
            _write_state(new / _STATE, progress)
            content = {"step": step, "train_loss": loss, "facts": facts}
            write_manifest(new, {**content, "leaves": leaf_digests(progress)})
            if final.exists():  # of a start that was stopped after it
                final.rename(replaced)
            new.rename(final)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)  # on a full disk, every byte counts
            self._bring_back_replaced()
            raise
        sync(self._folder)
        shutil.rmtree(replaced, ignore_errors=True)
        self._prune()

    def _bring_back_replaced(self) -> None:
        """Gives a checkpoint its name again where the process was killed while it was replaced."""
        for path in self._folder.glob(f"{_SAVING}*{_REPLACED}"):
            final = path.with_name(path.name.removeprefix(_SAVING).removesuffix(_REPLACED))
            if not final.exists():
                path.rename(final)

    def _prune(self) -> None:
        losses: dict[int, float] = {}
        for step in self.steps():
            try:
                loss = read_sealed_json(self._folder / str(step) / MANIFEST)["train_loss"]
            except Unreadable:
                continue  # it may be whole, and the best
            except Damage as damage:
                _log.warning("%s; the checkpoint was moved to %s", damage, self._set_aside(step))
                continue
            losses[step] = math.inf if loss is None else loss
        finite = [step for step in losses if math.isfinite(losses[step])]
        best = sorted(finite, key=losses.__getitem__)[: self._num_best]
        for step in set(list(losses)[:-NUM_LATEST]) - set(best):
            # Under another name first: half a checkpoint must not look like one.
            old = (self._folder / str(step)).rename(self._folder / f"{_SAVING}{step}-old")
            shutil.rmtree(old)

    def _restore(self, step: int, target: Progress) -> Checkpoint:
        import orbax.checkpoint as ocp

        folder = self._folder / str(step)
        content = read_manifest(folder)
        require_same_leaves(content["leaves"], leaf_types(target), folder)
        with open_checkpointer() as checkpointer:
            progress = checkpointer.restore(
                (folder / _STATE).absolute(), args=ocp.args.StandardRestore(target)
            )
        for name, leaf in leaf_digests(progress).items():
            if leaf != content["leaves"][name]:
                raise Damage(f"{name} in {folder / _STATE} is not what was saved")
        _log.info("restored the state after step %d from %s", step, self._folder)
        return Checkpoint(step, progress, content["facts"])

    def _set_aside(self, step: int) -> Path:
        self._damaged.mkdir(exist_ok=True)
        numbers = itertools.count(1)
        place = next(p for n in numbers if not (p := self._damaged / f"{step}-{n}").exists())
        return (self._folder / str(step)).rename(place)


def _write_state(folder: Path, progress: Progress) -> None:
    # A quarter of a second of imports that a new run's first step does not wait for.
    import orbax.checkpoint as ocp

    with open_checkpointer() as checkpointer:
        try:
            checkpointer.save(folder.absolute(), args=ocp.args.StandardSave(for_orbax(progress)))
        except (ValueError, RuntimeError) as error:  # its storage speaks of the disk so
            raise disk_error(folder, str(error)) from error
