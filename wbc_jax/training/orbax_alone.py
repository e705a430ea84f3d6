"""Orbax as one of several processes uses it alone; in one process as it always is.

with open_checkpointer() as checkpointer:
    checkpointer.save(folder, args=ocp.args.StandardSave(for_orbax(on_this_process(state))))

Orbax by itself waits for all processes, which the others would have to come for.
"""

from typing import Any

import jax
import numpy as np

from wbc_jax.training.processes import is_shared


def open_checkpointer() -> Any:
    """Returns a checkpointer of a standard tree that waits for no other process."""
    import orbax.checkpoint as ocp

    handler = ocp.StandardCheckpointHandler
    if not is_shared():
        return ocp.Checkpointer(handler())
    own = jax.process_index()
    options = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
    )
    return ocp.Checkpointer(
        handler(multiprocessing_options=options), multiprocessing_options=options
    )


def on_this_process(tree: Any) -> Any:
    """Returns replicated arrays as arrays of one device of this process, without copying them."""
    if not is_shared():
        return tree
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def for_orbax(tree: Any) -> Any:
    """Returns what Orbax takes: of several processes it refuses arrays that only one of them has.

    Waits for the arrays.
    """
    return jax.tree.map(np.asarray, tree) if is_shared() else tree
