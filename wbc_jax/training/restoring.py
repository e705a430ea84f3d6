"""The latest checkpoint on the devices of every process.

checkpoint = restore_everywhere(checkpoints, experiment.abstract_progress())
"""

import jax
import numpy as np
from jax.experimental import multihost_utils

from wbc_jax.data.replication import put_whole
from wbc_jax.training.checkpointing import Checkpoint, Checkpoints
from wbc_jax.training.processes import from_first, is_shared
from wbc_jax.training.train_state import Progress


def restore_everywhere(checkpoints: Checkpoints, target: Progress) -> Checkpoint | None:
    """Returns the latest checkpoint that is not damaged; None where nothing was saved.

    Of several processes the first alone reads, so that all go on from the same step even where one
    sees an older state of a network's file system, or none; the devices pass the values on.

    Args:
        checkpoints: of the run.
        target: shapes, dtypes and shardings of what is expected.

    Raises:
        UserError: as `Checkpoints.restore_latest`.
    """
    if not is_shared():
        return checkpoints.restore_latest(target)
    values = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), target)
    found: list[Checkpoint] = []

    def read() -> dict[str, object] | None:
        checkpoint = checkpoints.restore_latest(values)
        if checkpoint is None:
            return None
        found.append(checkpoint)
        return {"step": checkpoint.step, "facts": checkpoint.facts}

    said = from_first(read)
    if said is None:
        return None
    if found:
        values = found[0].progress
    # As bytes: they are passed on as a sum with zeros, which would make a plus of -0.0.
    sent = multihost_utils.broadcast_one_to_all(
        jax.tree.map(lambda leaf: np.ravel(leaf).view(np.uint8), values)
    )
    received = jax.tree.map(
        lambda leaf, bits: np.asarray(bits).view(leaf.dtype).reshape(leaf.shape),
        target,
        sent,
    )
    sharding = jax.tree.leaves(target)[0].sharding
    return Checkpoint(said["step"], put_whole(received, sharding), said["facts"])
