"""What a finished run has learned, from its files alone: its training images are not needed.

checkpoint = restore_trained(workdir, config, model, image_shape=shape, ...)
checkpoint.progress.state.variables
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import flax.linen as nn
import jax
from jax.sharding import SingleDeviceSharding
from ml_collections import ConfigDict

from wbc_jax import run_names
from wbc_jax.errors import UserError
from wbc_jax.training.checkpointing import Checkpoint, Checkpoints
from wbc_jax.training.rngs import named_key
from wbc_jax.training.step_parts import build_optimizer, build_schedule
from wbc_jax.training.train_state import Progress, create_train_state
from wbc_jax.training.train_step import zero_sums


def restore_trained(
    workdir: Path,
    config: ConfigDict,
    model: nn.Module,
    *,
    image_shape: tuple[int, int, int],
    metrics: Sequence[str],
    num_train: int,
) -> Checkpoint:
    """Returns the state after the last epoch, on the first device.

    Args:
        workdir: the run's directory.
        config: of the run.
        model: its network.
        image_shape: rows, columns, bands of the network's input.
        metrics: whose sums a checkpoint holds.
        num_train: training images.

    Raises:
        UserError: there is no such checkpoint, it is damaged, or of another model.
        AttributeError: the config lacks a field.
    """
    tx = build_optimizer(config, build_schedule(config, num_train // config.train.batch_size))
    state = jax.eval_shape(
        lambda: create_train_state(
            model,
            tx,
            named_key(config.seed, "params"),
            image_shape=image_shape,
            keeps_average=config.train.average_decay > 0,
        )
    )
    here = SingleDeviceSharding(jax.local_devices()[0])
    target = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here),
        Progress(state, jax.eval_shape(partial(zero_sums, tuple(metrics)))),
    )
    checkpoint = Checkpoints(workdir / run_names.CHECKPOINTS).read_latest(target)
    if checkpoint is None or len(checkpoint.facts["epochs"]) < config.train.num_epochs:
        raise UserError(
            f"{workdir}/checkpoints does not hold the state after the last of "
            f"{config.train.num_epochs} epochs; the command that started the run resumes it"
        )
    return checkpoint
