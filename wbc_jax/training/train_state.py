"""All that training changes, as one tree.

state = create_train_state(model, tx, key, image_shape=(50, 50, 3))
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key

from wbc_jax.errors import UserError

Variables = dict[str, Any]


class TrainState(struct.PyTreeNode):
    """Weights and what goes with them.

    Attributes:
        step: number of updates done, int32 scalar.
        params: learned weights.
        batch_stats: running statistics of batch norm; empty where a model has none.
        opt_state: of the Optax transform.
        average: running mean of params and batch_stats over the steps; empty where none is kept.
    """

    # Any: while JAX and Orbax map over the tree, other things stand in the arrays' places.
    step: Any
    params: Any
    batch_stats: Any
    opt_state: Any
    average: Any

    @property
    def variables(self) -> Variables:
        """What `model.apply` takes to predict: the averages where they are kept."""
        return self.average or {"params": self.params, "batch_stats": self.batch_stats}


class Progress(struct.PyTreeNode):
    """Where a training is, in the middle of an epoch, too; a checkpoint holds this.

    Attributes:
        state: after the last step.
        sums: of the metrics over the epoch's steps so far, float32 scalars by name.
    """

    state: Any
    sums: Any


def create_train_state(
    model: nn.Module,
    tx: Any,
    key: Key[Array, ""],
    *,
    image_shape: tuple[int, int, int],
    keeps_average: bool = False,
) -> TrainState:
    """Returns the state before the first step; pure, so it can be jitted or shape-evaluated.

    Args:
        model: any Linen module called with an image and `train`, with a field `num_classes`.
        tx: optimizer: whatever has Optax's `init`.
        key: of the initial weights.
        image_shape: rows, columns, bands of the model's input.
        keeps_average: whether the state has room for the running mean of the weights.

    Raises:
        UserError: the model has not as many outputs as it should have.
    """
    image: Float[Array, "1 h w c"] = jnp.zeros((1, *image_shape), jnp.float32)
    output, variables = model.init_with_output(key, image, train=False)
    if output.shape[-1] != model.num_classes:
        raise UserError(
            f"{type(model).__name__} answers with {output.shape[-1]} numbers and not with its "
            f"num_classes={model.num_classes}; give its last layer num_classes outputs"
        )
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=batch_stats,
        opt_state=tx.init(params),
        # The first step overwrites it: its weight there is zero.
        average={"params": params, "batch_stats": batch_stats} if keeps_average else {},
    )
