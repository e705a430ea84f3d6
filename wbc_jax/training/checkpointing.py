"""The training state on disk, by Orbax: the latest epoch and the best one.

checkpoints = Checkpoints(workdir / "checkpoints")
checkpoints.save(epoch, state, train_loss=0.31)
epoch, state = checkpoints.restore_latest(abstract_state)
"""

import logging
import math
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp

from wbc_jax.errors import UserError
from wbc_jax.training.train_state import TrainState

_log = logging.getLogger(__name__)
_METRIC = "train/loss"


def _negative_loss(metrics: dict[str, float]) -> float:
    """Orbax keeps the highest; a loss that is no number must never be the best."""
    loss = metrics[_METRIC]
    return -loss if math.isfinite(loss) else -math.inf


@jax.jit
def _copy(state: TrainState) -> TrainState:
    """The next step overwrites the donated state while what is returned goes to disk."""
    return jax.tree.map(jnp.copy, state)


class Checkpoints:
    """A folder of checkpoints, one per epoch; the latest and those of the lowest loss are kept.

    The best is chosen by the training loss, never by the test: results always come from the last
    epoch, and a state picked by its test score would be a tuned one. Saving goes on while the next
    epoch trains; leaving the `with` block waits for it.
    """

    def __init__(self, folder: Path, *, num_best: int = 1) -> None:
        """Opens `folder`, making it where it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._num_best = num_best

    @cached_property
    def _manager(self) -> Any:
        # A quarter of a second of imports that a new run's first step does not wait for.
        import orbax.checkpoint as ocp
        from orbax.checkpoint.checkpoint_managers import preservation_policy

        policy = preservation_policy.AnyPreservationPolicy(
            [
                preservation_policy.LatestN(1),
                preservation_policy.BestN(get_metric_fn=_negative_loss, n=self._num_best),
            ]
        )
        return ocp.CheckpointManager(
            self._folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy,
                # Only with this does Orbax write the losses down, for a later start to compare.
                best_fn=_negative_loss,
            ),
            item_handlers=ocp.StandardCheckpointHandler(),
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if "_manager" in vars(self):
            self._manager.close()

    def latest(self) -> int | None:
        """Returns the number of epochs done at the latest checkpoint, None without any."""
        if not any(self._folder.iterdir()):
            return None
        return self._manager.latest_step()

    def save(self, epoch: int, state: TrainState, *, train_loss: float) -> None:
        """Begins to save the state after `epoch` epochs; what failed in the save before raises."""
        from orbax.checkpoint.args import StandardSave

        args = StandardSave(_copy(state))
        self._manager.save(epoch, args=args, metrics={_METRIC: train_loss})

    def restore_latest(self, target: TrainState) -> tuple[int, TrainState]:
        """Returns the number of epochs done and the state.

        Args:
            target: shapes, dtypes and shardings of the state expected.

        Raises:
            UserError: there is no checkpoint, or it is of another model or optimizer.
        """
        from orbax.checkpoint.args import StandardRestore

        epoch = self.latest()
        if epoch is None:
            raise UserError(
                f"{self._folder} holds no checkpoint; train first, with the same --workdir"
            )
        self._manager.wait_until_finished()
        try:
            saved = _leaves(self._manager.item_metadata(epoch))
        except Exception as error:  # Orbax raises what the damaged file happens to cause
            raise self._damaged(epoch, error) from error
        self._require_same_leaves(epoch, saved, _leaves(target))
        try:
            state = self._manager.restore(epoch, args=StandardRestore(target))
        except Exception as error:
            raise self._damaged(epoch, error) from error
        _log.info("restored the state after epoch %d from %s", epoch, self._folder)
        return epoch, state

    def _damaged(self, epoch: int, error: Exception) -> UserError:
        folder = self._folder / str(epoch)
        return UserError(
            f"the checkpoint in {folder} is damaged ({type(error).__name__}: {str(error)[:200]}); "
            "move that folder away to go on from the checkpoint before it, or from the start where "
            "none is left"
        )

    def _require_same_leaves(
        self, epoch: int, saved: dict[str, str], expected: dict[str, str]
    ) -> None:
        """Compares names, shapes and dtypes: Orbax itself casts and reorders silently."""
        differing = sorted(
            name for name in saved.keys() | expected.keys() if saved.get(name) != expected.get(name)
        )
        if differing:
            name = differing[0]
            raise UserError(
                f"the checkpoint of epoch {epoch} in {self._folder} is of another model or "
                f"optimizer: {len(differing)} arrays differ, first {name}: saved "
                f"{saved.get(name, 'nothing')}, expected {expected.get(name, 'nothing')}; use the "
                "config it was trained with or another --workdir"
            )


def _leaves(tree: Any) -> dict[str, str]:
    """Returns "shape dtype" by path of every array, whatever containers hold them."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        "/".join(_key_name(key) for key in path): f"{tuple(leaf.shape)} {leaf.dtype}"
        for path, leaf in leaves
    }


def _key_name(key: Any) -> str:
    """Returns what a dict key, an attribute and an index of the same name have in common."""
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)
